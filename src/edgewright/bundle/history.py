"""Keep the bundles that a file held before, so that the last one can decide again.

``FILE.history/`` holds ``VERSION.edge`` for every bundle that was replaced, and ``journal.jsonl``
with a line for every step.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from edgewright.bundle.bundle import Bundle, load, save
from edgewright.core.errors import InputError

ROLLBACK = "rollback"


def history_folder(path: Path) -> Path:
    """Return the folder that holds what a file held before."""
    return path.with_name(f"{path.name}.history")


def replace_bundle(path: Path, content: bytes, before: Bundle | None, action: str) -> None:
    """Put a bundle in the place of another in one step, and keep the other.

    A service that watches the file lets the new one decide without losing a request.

    Args:
        before: what the file holds now; None where it is new.
        action: what the journal calls this.
    """
    folder = history_folder(path)
    if before is not None:
        copy = folder / f"{before.version}.edge"
        if not copy.exists():
            save(copy, path.read_bytes())
    save(path, content)
    folder.mkdir(parents=True, exist_ok=True)
    line = {
        "at": time.time(),
        "action": action,
        "from": before.version if before is not None else None,
        "to": load(path).version,
    }
    with open(folder / "journal.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def rollback(path: Path, source: Path | None = None) -> dict[str, Any]:
    """Let the bundle before the last update or promotion decide again; return both versions.

    Args:
        source: file of the earlier bundle; the one in the history if None.

    Raises:
        InputError: none was before it, or the earlier one is missing or another one.
    """
    now = load(path)
    wanted = _versions_before(path, now)
    if not wanted:
        message = "the bundle was not made by an update or promoted here, so none is before it"
        hint = "name a bundle that edgewright update wrote, or that a canary became"
        raise InputError(message, where=str(path), hint=hint)
    copies = [history_folder(path) / f"{version}.edge" for version in wanted]
    file = source or next((copy for copy in copies if copy.exists()), copies[0])
    if not file.exists():
        message = f"the bundle before, {wanted[0]}, is not there"
        hint = "name its file with --from FILE"
        raise InputError(message, where=str(file), hint=hint)
    before = load(file)
    if before.version not in wanted:
        message = f"must be the bundle {wanted[0]} that was before; got {before.version}"
        raise InputError(message, where=str(file), hint="name the file of that bundle with --from")
    replace_bundle(path, file.read_bytes(), now, ROLLBACK)
    return {"bundle": str(path), "from": now.version, "to": before.version}


def _versions_before(path: Path, now: Bundle) -> list[str]:
    """Return the version that an update began with, and the one that the file held before.

    The latter is of the last line of the journal that put this bundle there, but for a rollback.
    """
    stages = [one for one in now.facts["lineage"] if one["stage"] == "update"]
    versions = [str(stages[-1].get("from"))] if stages else []
    journal = history_folder(path) / "journal.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    for text in reversed(lines):
        line = _line(text)
        if line.get("to") == now.version and line.get("action") != ROLLBACK:
            before = line.get("from")
            return [*versions, str(before)] if before else versions
    return versions


def _line(text: str) -> dict[str, Any]:
    """Return a line of the journal; nothing of one that was written in part."""
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


__all__ = ["ROLLBACK", "history_folder", "replace_bundle", "rollback"]
