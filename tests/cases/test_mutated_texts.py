"""Scenario texts with random changes: each loads and builds, or is refused with one message."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.presets import preset_files

NUMBERS = ("0", "-1", "1e39", "1e-60", "nan", "inf", "-0.0", "9" * 400, "true", '"x"', "[]", "{}",
           "[[1]]", "4294967296", "-1e30", "1e30", "0.1", "3")  # fmt: skip
PRESETS = ("aigc-heavy", "aigc-fleet", "aigc-paper", "binary-hard", "aigc-markov")


def preset_text(name: str) -> str:
    """Return the text of a preset."""
    return preset_files()[name].read_text(encoding="utf-8")


def mutated(text: str, rng: np.random.Generator) -> str:
    """Return a text with a value, a line or a few characters changed."""
    lines = text.splitlines()
    at = int(rng.integers(len(lines)))
    kind = rng.integers(5)
    if kind < 2 and "=" in lines[at]:
        key = lines[at].split("=")[0]
        lines[at] = f"{key}= {NUMBERS[rng.integers(len(NUMBERS))]}"
    elif kind == 2:
        del lines[at]
    elif kind == 3:
        lines.insert(at, lines[rng.integers(len(lines))])
    else:
        line, spot = lines[at], int(rng.integers(len(lines[at]) + 1))
        lines[at] = line[:spot] + chr(int(rng.integers(1, 0x2FF))) + line[spot + 1 :]
    return "\n".join(lines)


@pytest.mark.parametrize("name", PRESETS)
def test_no_mutation_of_a_scenario_ends_in_a_traceback(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(sum(map(ord, name)))
    text, path = preset_text(name), tmp_path / "mutated.toml"
    count = int(os.environ.get("EDGEWRIGHT_MUTATIONS", "200")) // len(PRESETS)
    refused = 0
    for _ in range(count):
        path.write_text(mutated(text, rng), encoding="utf-8")
        try:
            build(load(str(path)))
        except InputError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize(
    "change",
    ["params.shadowing_db=1e30", "params.radius_m=1e30", "params.noise_dbm_hz=900.0"],
)
def test_a_channel_that_32_bits_do_not_hold_is_refused(change: str) -> None:
    key, value = change.split("=")
    with pytest.raises(InputError, match="0 or infinite in 32 bits"):
        build(load("binary-hard", {key: float(value)}))
