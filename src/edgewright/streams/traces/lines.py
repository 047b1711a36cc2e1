"""Read the lines of traces with their numbers; errors name file, line and value."""

from __future__ import annotations

import contextlib
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LARGEST = 1e19
"""Largest number in a recording: nanoseconds since 1970 reach 1e18."""

MAX_SHOWN = 60
"""Characters of a value that a message shows."""


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not positive and finite."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(
            f"{name} = {value} is not positive and finite", where=name, hint=f"give {name} > 0"
        )


def filled_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number (from 1) and the text of every line that is not blank.

    Raises:
        InputError: the file does not exist, is not a regular one (a pipe would never end), may not
            be read, or is not UTF-8 text.
    """
    check_is_file(path)
    content = read_raw(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
        raise InputError(message, where=str(path), hint=_as_text(content)) from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return ((n, line) for n, line in enumerate(lines, 1) if line.strip())


def check_is_file(path: Path) -> None:
    """Refuse what is not a regular file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        hint = "check the path and the data folder"
        raise InputError("no such file", where=str(path), hint=hint) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", where=repr(str(path))) from None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        hint = "name a file" + (" in it" if stat.S_ISDIR(mode) else "")
        raise InputError(f"cannot be read: it is {what}", where=str(path), hint=hint)


def read_raw(file: Path, count: int = -1) -> bytes:
    """Return the first ``count`` bytes of a file, or all.

    Raises:
        InputError: it may not be read.
    """
    try:
        with file.open("rb") as opened:
            return opened.read(count)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be read: {reason}", where=str(file), hint=_RIGHTS) from None


_RIGHTS = "give yourself the right to read it"


def _as_text(content: bytes) -> str:
    """Return the remedy for a file that is not UTF-8."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "it is UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW"
    packed = {b"\x1f\x8b": "gunzip", b"PK": "unzip", b"BZ": "bunzip2", b"\xfd7": "unxz"}
    if content[:2] in packed:
        return f"it is compressed; unpack it: {packed[content[:2]]} FILE"
    return "write it as UTF-8, e.g. iconv -f LATIN1 -t UTF-8 FILE > NEW"


def is_number(text: str) -> bool:
    """Return whether a text is a number, finite or not."""
    with contextlib.suppress(ValueError):
        float(text)
        return "_" not in text  # Python reads 1_000 as a number
    return False


def finite_number(
    value: Any, where: str, field: str, hint: str = "correct or remove the line"
) -> float:
    """Return a finite number of at most :data:`LARGEST` given as text or JSON."""
    number = math.nan
    is_text = isinstance(value, str) and is_number(value)
    if is_text or (isinstance(value, int | float) and not isinstance(value, bool)):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
    shown = str(value)[:MAX_SHOWN]
    if not math.isfinite(number):
        given = f"'{shown}'" if isinstance(value, str) else shown
        raise InputError(f"{field} = {given} is not a finite number", where=where, hint=hint)
    if abs(number) > LARGEST:
        message = f"{field} = {shown} is larger than {LARGEST:g}"
        raise InputError(message, where=where, hint=hint)
    return number


def too_short(path: Path, count: int, what: str) -> InputError:
    """Return the error of a file with too few rows."""
    message = f"it holds only {count} of the {what} needed" if count else "the file is empty"
    return InputError(message, where=str(path), hint=f"a recording needs two or more {what}")


def check_count(path: Path, count: int, what: str) -> None:
    """Refuse fewer than two rows."""
    if count < 2:
        raise too_short(path, count, what)
