"""Read recorded bandwidth from two-column text of ``seconds Mbit/s``.

Riiser et al., MMSys 2013 (Norway 3G); Akhtar et al., SIGCOMM 2018 (Oboe); both as collected in
confiwent/Real-world-bandwidth-traces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from edgewright.core.errors import InputError
from edgewright.streams.traces.lines import (
    Floats,
    PathLike,
    check_count,
    check_gap,
    check_max_gap,
    check_positive,
    filled_lines,
    finite_number,
)

MAX_SAMPLES = 100_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class BandwidthTrace:
    """Throughput over time; each value holds until the next time.

    Attributes:
        time_s: ``[n]`` seconds as in the file, strictly increasing; the first need not be 0.
        bandwidth_mbps: ``[n]`` Mbit/s, not negative.
        source: name of the file.
    """

    time_s: Floats
    bandwidth_mbps: Floats
    source: str


def load_bandwidth_two_column(path: PathLike, *, max_gap_s: float = 30.0) -> BandwidthTrace:
    """Read a text file of ``seconds Mbit/s`` lines without a header.

    Args:
        path: the file; its columns are separated by white space.
        max_gap_s: longest time [s] between two rows that is taken for a recording without a hole.
            The longest in the 18 openly licensed recordings is 14.3 s (Oboe trace 0; 13.0 s in a
            Norwegian metro), hence 30 s.
    """
    file = Path(path)
    check_max_gap(max_gap_s)
    rows, lines = [], []
    for number, line in filled_lines(file):
        rows.append(_two_numbers(line, f"{file}: line {number}"))
        lines.append(number)
    check_count(file, len(rows), "rows")
    table = np.array(rows, np.float64)
    _check_two_column_order(file, table, lines)
    check_gap(file, table[:, 0], lines, max_gap_s)
    _check_bandwidth(file, table[:, 1], lines)
    return BandwidthTrace(time_s=table[:, 0], bandwidth_mbps=table[:, 1], source=file.name)


def resample_zero_order_hold(time_s: ArrayLike, value: ArrayLike, interval_s: float) -> Floats:
    """Sample a trace at 0, 1, 2, ... times ``interval_s`` after its first time stamp.

    A value holds until the next sample. The last sample is the last time stamp or less than an
    interval before it: what held after the last time stamp is not known. A time stamp that is late
    by less than a millionth of an interval counts as in time (decimal fractions are not exact).

    Args:
        time_s: ``[n]`` strictly increasing times [s].
        value: ``[n]`` values in any unit.
        interval_s: time between two samples [s].
    """
    times, values = np.asarray(time_s, np.float64), np.asarray(value, np.float64)
    if times.ndim != 1 or times.shape != values.shape or times.size == 0:
        raise InputError(
            f"time_s has shape {times.shape} and value has shape {values.shape}",
            where="resample_zero_order_hold",
            hint="give two non-empty vectors of one length",
        )
    if np.any(np.diff(times) <= 0):
        raise InputError("time_s is not increasing", where="resample_zero_order_hold")
    check_positive("interval_s", interval_s)
    since_first = times - times[0]
    tolerance = 1e-6
    intervals = since_first[-1] / interval_s
    if intervals >= MAX_SAMPLES:
        raise InputError(
            f"interval_s = {interval_s:g} makes {intervals:.3g} samples of one recording",
            where="interval_s",
            hint=f"choose an interval that makes fewer than {MAX_SAMPLES}",
        )
    at = np.arange(math.floor(intervals + tolerance) + 1)
    held = np.searchsorted(since_first / interval_s, at + tolerance, side="right") - 1
    return values[held]


def _two_numbers(line: str, where: str) -> tuple[float, float]:
    words = line.split()
    if len(words) != 2:
        hint = "each line is 'seconds Mbit/s', separated by white space"
        if "," in line or ";" in line:
            hint += ", not by commas"
        result = f"{len(words)} column" + ("" if len(words) == 1 else "s")
        raise InputError(f"2 columns expected, {result} found: '{line}'", where=where, hint=hint)
    hint = "correct or remove the line; the file has no header"
    return finite_number(words[0], where, "seconds", hint), finite_number(
        words[1], where, "Mbit/s", hint
    )


def _check_two_column_order(path: Path, table: Floats, lines: Sequence[int]) -> None:
    stuck = np.flatnonzero(np.diff(table[:, 0]) <= 0)
    if not stuck.size:
        return
    at = int(stuck[0]) + 1
    hint = "sort the file by time and keep one row for each time"
    if np.all(np.diff(table[:, 1]) > 0):
        hint = "the second column increases: the columns are swapped; write 'seconds Mbit/s'"
    raise InputError(
        f"the time does not increase: {table[at, 0]:g} s after {table[at - 1, 0]:g} s",
        where=f"{path}: line {lines[at]}",
        hint=hint,
    )


def _check_bandwidth(path: Path, bandwidth_mbps: Floats, lines: Sequence[int]) -> None:
    negative = np.flatnonzero(bandwidth_mbps < 0)
    if negative.size:
        at = int(negative[0])
        raise InputError(
            f"the bandwidth is negative: {bandwidth_mbps[at]:g} Mbit/s",
            where=f"{path}: line {lines[at]}",
            hint="an outage is 0; correct or remove the line",
        )
    if not np.any(bandwidth_mbps > 0):
        raise InputError(
            "the bandwidth is 0 Mbit/s in every row",
            where=str(path),
            hint="remove the file: it holds no link",
        )
