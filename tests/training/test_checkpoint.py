"""The last two states of a seed, and its logs up to them."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import pytest

from edgewright.core.errors import InputError
from edgewright.training import checkpoint

FACTS = {"seed": 0, "request": "abc"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A seed's folder with three states saved, after 1, 2 and 3 rows, and a row after the last."""
    for name in checkpoint.LOGS:
        (tmp_path / f"{name}.jsonl").touch()
    for iteration in (1, 2, 3, 4):
        for name in checkpoint.LOGS:
            checkpoint.append_row(tmp_path, name, {"iteration": iteration})
        if iteration < 4:
            state = jnp.float32(iteration)
            checkpoint.save(tmp_path, state, {**FACTS, "iteration": iteration})
    return tmp_path


def iterations(folder: Path) -> list[int]:
    return [row["iteration"] for row in checkpoint.read_log(folder, "metrics")]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 16
    path.write_bytes(bytes(content))


def test_the_newest_state_is_used_and_newer_rows_are_dropped(folder: Path) -> None:
    state, note = checkpoint.load(folder, jnp.float32(0), FACTS)
    assert (float(state), note["iteration"], note["damage"]) == (3.0, 3, None)
    assert iterations(folder) == [1, 2, 3]
    checkpoint.drop_newer_rows(folder, note)
    assert (folder / "metrics.jsonl").read_text().count("\n") == 3


@pytest.mark.parametrize("damage", ["flip", "cut", "missing"])
def test_the_state_before_it_is_used_where_the_newest_is_damaged(folder: Path, damage: str) -> None:
    path = folder / checkpoint.NEWEST
    if damage == "flip":
        flip(path, 60)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.unlink()
    state, note = checkpoint.load(folder, jnp.float32(0), FACTS)
    assert (float(state), note["iteration"]) == (2.0, 2)
    assert "checkpoint" in note["damage"] and "hint" not in note["damage"]
    assert iterations(folder) == [1, 2]


def test_two_damaged_states_are_refused(folder: Path) -> None:
    flip(folder / checkpoint.NEWEST, 60)
    flip(folder / checkpoint.PREVIOUS, 60)
    with pytest.raises(InputError, match="does not match its hash"):
        checkpoint.load(folder, jnp.float32(0), FACTS)


def test_a_log_that_was_altered_is_told_from_one_that_was_cut_after_the_state(
    folder: Path,
) -> None:
    log = folder / "metrics.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:-3])  # what a kill cuts is newer than the state
    assert iterations(folder) == [1, 2, 3]
    for at in range(whole.rindex(b"{")):  # every byte up to the state
        log.write_bytes(whole)
        flip(log, at)
        with pytest.raises(InputError, match="not what it was at the checkpoint"):
            checkpoint.load(folder, jnp.float32(0), FACTS)
    log.unlink()
    with pytest.raises(InputError, match=r"metrics\.jsonl: the log is not what it was"):
        checkpoint.read_log(folder, "metrics")


def test_states_of_another_seed_or_request_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="of seed 0, not of seed 1"):
        checkpoint.load(folder, jnp.float32(0), {**FACTS, "seed": 1})
    with pytest.raises(InputError, match="of request abc, not of request abd"):
        checkpoint.load(folder, jnp.float32(0), {**FACTS, "request": "abd"})
