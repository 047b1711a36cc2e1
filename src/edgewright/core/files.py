"""Write files atomically, so that a reader sees the old file or the new one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgewright.core.errors import InputError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or not there."""
    with replacing(path) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to that takes its place when all is written; else nothing changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def check_writable(path: Path, where: str, folder: bool = True) -> None:
    """Check that a folder, or a file, can be made at a path, without making it.

    Args:
        folder: whether a folder is meant; a file is written beside its place and moved into it.

    Raises:
        InputError: it cannot: a folder on the way is missing its rights, or is a file.
    """
    hint = "name a folder that you may write to"
    if "\0" in str(path):
        raise InputError("a path must not hold a null byte", where=where, hint=hint)
    if not folder:
        if not path.name or path.is_dir():
            message = f"must be the name of a file; got '{path}'"
            raise InputError(message, where=where, hint="name a file, e.g. p.edge")
        path = path.absolute().parent
    try:
        there = next(one for one in (path, *path.absolute().parents) if one.exists())
    except OSError as error:
        raise InputError(f"cannot be written: {error}", where=where, hint=hint) from None
    if not there.is_dir():
        raise InputError(f"{there} must be a folder; it is a file", where=where, hint=hint)
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{there} must be writable", where=where, hint=hint)
