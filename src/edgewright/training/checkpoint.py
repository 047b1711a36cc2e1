"""Keep the last two states of a seed's training, each with the hash of its logs up to then.

The newest state is used, and the one before it where the newest is damaged. A log beyond the state
that is used is what came after it; a log that differs before it was altered.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from edgewright.core.errors import InputError
from edgewright.core.files import write_bytes
from edgewright.core.sealed import load_arrays
from edgewright.training.store import load_tree, save_tree

T = TypeVar("T")
NEWEST, PREVIOUS = "checkpoint.npz", "checkpoint.previous.npz"
LOGS = ("metrics", "evaluation")
"""Logs of a seed: losses of the learner, and scores of its greedy policy."""

_AGAIN = "delete the folder of this seed and train again: only this seed is lost"


def save(folder: Path, training: Any, facts: dict[str, Any]) -> None:
    """Save a state as the newest, and keep the newest so far as the one before."""
    newest = folder / NEWEST
    if newest.exists():
        write_bytes(folder / PREVIOUS, newest.read_bytes())
    logs = {name: (folder / f"{name}.jsonl").read_bytes() for name in LOGS}
    extents = {name: [len(log), _hash(log)] for name, log in logs.items()}
    save_tree(newest, training, {**facts, "logs": extents})


def exists(folder: Path) -> bool:
    """Return whether a seed's folder holds a state."""
    return (folder / NEWEST).exists() or (folder / PREVIOUS).exists()


def load(folder: Path, like: T, facts: dict[str, Any]) -> tuple[T, dict[str, Any]]:
    """Return the newest state that is whole, and the facts saved with it.

    Args:
        like: a training of the structure to load.
        facts: what must have been saved with it, such as its seed.

    Returns:
        the training, and its facts; ``damage`` among them says what was wrong with the newest.

    Raises:
        InputError: neither state can be used, or a log was altered.
    """
    damage = None
    for name in (NEWEST, PREVIOUS):
        path = folder / name
        try:
            training, note = load_tree(path, like)
        except InputError as error:
            damage = damage or error
            continue
        _check_facts(note, facts, path)
        for log in LOGS:
            _checked(folder, log, note)
        fault = None if damage is None else f"{damage.where}: {damage.message}"
        return training, {**note, "damage": fault}
    raise damage or InputError("the checkpoint is missing", where=str(folder), hint=_AGAIN)


def drop_newer_rows(folder: Path, note: dict[str, Any]) -> None:
    """Drop the rows of the logs that came after the state with the facts ``note``."""
    for name in LOGS:
        write_bytes(folder / f"{name}.jsonl", _checked(folder, name, note))


def read_log(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of a log up to the newest state that is whole.

    Raises:
        InputError: no state is whole, or the log was altered.
    """
    try:
        note = load_arrays(folder / NEWEST, "checkpoint", _AGAIN)[1]
    except InputError:
        note = load_arrays(folder / PREVIOUS, "checkpoint", _AGAIN)[1]
    return [json.loads(line) for line in _checked(folder, name, note).splitlines()]


def append_row(folder: Path, name: str, row: dict[str, Any]) -> None:
    """Append a row to a log."""
    with open(folder / f"{name}.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _checked(folder: Path, name: str, note: dict[str, Any]) -> bytes:
    """Return a log up to a state, or say that it is not what it was then."""
    path, (length, wanted) = folder / f"{name}.jsonl", note["logs"][name]
    log = path.read_bytes()[:length] if path.exists() else b""
    if _hash(log) != wanted:
        message = "the log is not what it was at the checkpoint: it is cut or altered"
        raise InputError(message, where=str(path), hint=_AGAIN)
    return log


def _check_facts(note: dict[str, Any], facts: dict[str, Any], path: Path) -> None:
    for name, wanted in facts.items():
        if note.get(name) != wanted:
            message = f"the checkpoint is of {name} {note.get(name)}, not of {name} {wanted}"
            raise InputError(message, where=str(path), hint=_AGAIN)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


__all__ = ["LOGS", "append_row", "drop_newer_rows", "exists", "load", "read_log", "save"]
