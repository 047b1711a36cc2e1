"""Read the lines of traces with their numbers; errors name file, line and value."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not positive and finite."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(
            f"{name} = {value} is not positive and finite", where=name, hint=f"give {name} > 0"
        )


def check_max_gap(max_gap_s: float) -> None:
    """Refuse a longest gap [s] that is not positive; infinity accepts any."""
    if not max_gap_s > 0:
        raise InputError(
            f"max_gap_s = {max_gap_s} is not positive",
            where="max_gap_s",
            hint="give seconds > 0; infinity accepts any gap",
        )


def filled_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number (from 1) and the text of every line that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            "no such file", where=str(path), hint="check the path and the data folder"
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be read: {reason}", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not UTF-8 text (byte {error.start})",
            where=str(path),
            hint="unpack the file if it is compressed",
        ) from None
    return ((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())


def finite_number(
    value: Any, where: str, field: str, hint: str = "correct or remove the line"
) -> float:
    """Return a finite number given as text or JSON."""
    number = math.nan
    is_text = isinstance(value, str) and "_" not in value  # Python reads 1_000 as a number
    if is_text or (isinstance(value, int | float) and not isinstance(value, bool)):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise InputError(f"{field} = {value!r} is not a finite number", where=where, hint=hint)
    return number


def too_short(path: Path, count: int, what: str) -> InputError:
    """Return the error of a file with too few rows."""
    message = f"it holds only {count} of the {what} needed" if count else "the file is empty"
    return InputError(message, where=str(path), hint=f"a recording needs two or more {what}")


def check_count(path: Path, count: int, what: str) -> None:
    """Refuse fewer than two rows."""
    if count < 2:
        raise too_short(path, count, what)


def check_gap(path: Path, time_s: Floats, lines: Sequence[int], max_gap_s: float) -> None:
    """Refuse a time [s] without rows that is longer than ``max_gap_s``."""
    gaps = np.diff(time_s)
    at = int(np.argmax(gaps))
    if gaps[at] > max_gap_s:
        raise InputError(
            f"nothing was recorded for {gaps[at]:.6g} s, from {time_s[at]:.6g} s to "
            f"{time_s[at + 1]:.6g} s; the limit is {max_gap_s:g} s",
            where=f"{path}: line {lines[at + 1]}",
            hint=f"cut the file here, or set max_gap_s = {math.ceil(gaps[at])} to accept the gap",
        )
