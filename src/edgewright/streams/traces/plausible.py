"""Refuse gaps, steps and rates that only a wrong unit explains."""

from __future__ import annotations

import math

import numpy as np

from edgewright.core.errors import InputError
from edgewright.streams.traces.columns import Selection
from edgewright.streams.traces.formats import CLOCK
from edgewright.streams.traces.lines import Floats, Integers
from edgewright.streams.traces.reading import Reading
from edgewright.streams.traces.units import RATE_UNITS, TIME_UNITS

MAX_MBPS = 1e6
"""No link in a recording is faster."""

ASSUMED_MBPS = (0.01, 1000.0)
"""Mean rate of a file that does not state its unit, beyond which the unit must be stated."""

WHOLE_MBPS = 100.0
"""Mean rate from which a file of whole numbers without a unit is more likely one in kbit/s."""

MIN_STEP_S = 1e-3
"""Median time between rows of a file that does not state its unit, below which it must."""

MAX_PER_S = 1e4
"""No log of requests is busier on average."""

ENOUGH = 10
"""Rows from which a mean says something about a unit."""


def check_gap(
    selection: Selection, rows: Integers, time_s: Floats, reading: Reading, max_gap_s: float
) -> None:
    """Refuse a time [s] without rows that is longer than ``max_gap_s``.

    Args:
        rows: rows of the table that the times are from.
        time_s: at least two times.
    """
    max_gap_s = max_gap_s if reading.max_gap_s is None else reading.max_gap_s
    is_clock = selection.unit("time")[0] == CLOCK and reading.time_unit is None
    gaps = np.diff(time_s)
    at = int(np.argmax(gaps))
    if gaps[at] <= max_gap_s:
        return
    accept = reading.assignment("max_gap_s", math.ceil(gaps[at]))
    hint = f"cut the file here, or {accept} to accept the gap"
    if not is_clock and np.median(gaps) > max_gap_s:
        unit = next((u for u in ("ms", "us", "ns") if _is_step(gaps, u, max_gap_s)), None)
        if unit:
            hint = f"most rows are that far apart: {reading.assignment('time_unit', unit)}"
    raise InputError(
        f"nothing was recorded for {gaps[at]:.6g} s, from {time_s[at]:.6g} s to "
        f"{time_s[at + 1]:.6g} s; the limit is {max_gap_s:g} s",
        where=selection.table.where(int(rows[at + 1])),
        hint=hint,
    )


def _is_step(gaps: Floats, unit: str, max_gap_s: float) -> bool:
    return MIN_STEP_S <= np.median(gaps) * TIME_UNITS[unit] <= max_gap_s


def check_step(selection: Selection, time_s: Floats, reading: Reading, unit: str) -> None:
    """Refuse rows of an assumed unit of time that would be less than a millisecond apart."""
    step = float(np.median(np.diff(time_s)))
    if step >= MIN_STEP_S:
        return
    accept = reading.assignment("time_unit", unit)
    raise InputError(
        f"half of the rows are {step:.3g} s apart or less, if the times are in {unit}",
        where=str(selection.table.file),
        hint=f"state the unit: {accept} to accept them, or one of {', '.join(TIME_UNITS)}",
    )


def check_rate(
    selection: Selection, mbps: Floats, reading: Reading, unit: str, is_assumed: bool
) -> None:
    """Refuse rates [Mbit/s] that only a wrong unit explains."""
    mean, most = float(np.mean(mbps)), float(np.max(mbps))
    low, high = ASSUMED_MBPS
    in_unit = mbps / RATE_UNITS[unit] if unit else mbps
    is_odd = (
        is_assumed
        and len(mbps) >= ENOUGH
        and (not low <= mean <= high or (mean >= WHOLE_MBPS and bool(np.all(in_unit % 1 == 0))))
    )
    if most <= MAX_MBPS and not is_odd:
        return
    given = mean / RATE_UNITS[unit] if unit else mean
    fits = [u for u in ("kbit/s", "bit/s", "Gbit/s") if low <= given * RATE_UNITS[u] <= high]
    likely = reading.assignment("unit", fits[0] if fits else "kbit/s")
    accept = "" if most > MAX_MBPS else f", or {reading.assignment('unit', unit)} to accept them"
    raise InputError(
        f"the rates have mean {mean:.4g} and maximum {most:.4g} Mbit/s"
        f"{', and the file does not state their unit' if is_assumed else ''}",
        where=str(selection.table.file),
        hint=f"{likely} if that is their unit{accept}",
    )


def check_requests(
    selection: Selection, time_s: Floats, reading: Reading, is_assumed: bool
) -> None:
    """Refuse a log that is busier than any, or that may as well be in another unit of time."""
    count, span = len(time_s), float(time_s[-1] - time_s[0])
    if count < ENOUGH:
        return
    per_s = (count - 1) / span if span > 0 else math.inf
    longest = float(np.max(np.diff(time_s)))
    is_unclear = is_assumed and 1000 * longest <= 600.0
    if per_s <= MAX_PER_S and not is_unclear:
        return
    accept = "" if per_s > MAX_PER_S else f", or {reading.assignment('time_unit', 'ms')} to accept"
    other = reading.assignment("time_unit", "s")
    raise InputError(
        f"{count} requests within {span:.4g} s are {per_s:.4g} a second"
        f"{', if the times are in milliseconds; the file does not state it' if is_assumed else ''}",
        where=str(selection.table.file),
        hint=f"{other} if the times are in seconds{accept}",
    )
