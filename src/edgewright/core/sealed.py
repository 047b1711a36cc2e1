"""Write and read files that carry a hash of themselves, so that damage is seen.

A JSON object holds the hash of the rest of it under ``sha256``. A file of arrays is an ``.npz``
whose zip comment is the hash of all bytes before it. Both are checked before anything is read from
them, and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.files import write_bytes

SCHEMA = 2
"""Version of these files; another one is refused."""

_FACTS = "__facts__"
_MARK = b"sha256="
_COMMENT = len(_MARK) + 64


def digest(content: Any) -> str:
    """Return the SHA-256 of plain data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object with its hash, atomically."""
    plain = json.loads(json.dumps({**content, "schema": SCHEMA}))
    write_bytes(path, (json.dumps({**plain, "sha256": digest(plain)}, indent=2) + "\n").encode())


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Return what :func:`write_json` wrote, without its hash.

    Args:
        what: the word for the file in a message, such as "run".

    Raises:
        InputError: the file is missing, is not JSON, has another schema, or was altered.
    """
    again = "train again with another --out, or restore the file"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "name a folder written by edgewright train"
        raise InputError(f"the {what} is missing", where=str(path), hint=hint) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{what} cannot be read: {error}", where=str(path), hint=again) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        schema = content.get("schema") if isinstance(content, dict) else type(content).__name__
        message = f"{what} has schema {schema!r}, this version reads {SCHEMA}"
        raise InputError(message, where=str(path), hint="train again with this version")
    if content.pop("sha256", None) != digest(content):
        message = f"the {what} does not match its hash: it was altered"
        raise InputError(message, where=str(path), hint=again)
    return content


def save_arrays(path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Save arrays by name, and facts about them, with a hash of the whole file."""
    note = np.frombuffer(json.dumps({**facts, "schema": SCHEMA}).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{_FACTS: note, **arrays})
    with zipfile.ZipFile(buffer, "a") as file:
        file.comment = b" " * _COMMENT  # its length stands before it and is hashed
    body = buffer.getvalue()[:-_COMMENT]
    write_bytes(path, body + _MARK + hashlib.sha256(body).hexdigest().encode())


def load_arrays(
    path: Path, what: str = "result", hint: str = "delete it and run again: only this file is lost"
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Load what :func:`save_arrays` saved.

    Raises:
        InputError: the file is missing, cut, altered, or of another version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"the {what} is missing", where=str(path), hint=hint) from None
    except OSError as error:
        raise InputError(
            f"the {what} cannot be read: {error}", where=str(path), hint=hint
        ) from None
    body, mark = content[:-_COMMENT], content[-_COMMENT:]
    if mark != _MARK + hashlib.sha256(body).hexdigest().encode():
        message = f"the {what} does not match its hash: it is cut, altered, or of another version"
        raise InputError(message, where=str(path), hint=hint)
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    facts = json.loads(arrays.pop(_FACTS).tobytes())
    if facts.get("schema") != SCHEMA:
        message = f"the {what} has schema {facts.get('schema')!r}, this version reads {SCHEMA}"
        raise InputError(message, where=str(path), hint=hint)
    return arrays, facts


__all__ = ["SCHEMA", "digest", "load_arrays", "read_json", "save_arrays", "write_json"]
