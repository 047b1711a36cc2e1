"""Read rates [Mbit/s] from columns that hold rates, bytes and intervals, or times of packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgewright.core.errors import InputError
from edgewright.streams.traces.columns import Selection, numbers, seconds
from edgewright.streams.traces.formats import CLOCK
from edgewright.streams.traces.lines import Floats, Integers, check_count, too_short
from edgewright.streams.traces.plausible import check_gap, check_rate, check_step
from edgewright.streams.traces.reading import Reading
from edgewright.streams.traces.units import RATE_UNITS

MAX_GAP_S = 30.0
"""The longest step in the 18 openly licensed recordings is 14.3 s (Oboe trace 0; 13.0 s in a
Norwegian metro)."""

PACKET_BITS = 1500 * 8
"""Size of a packet in Mahimahi's traces."""

BIN_S = 1.0
"""Time over which the packets of a Mahimahi trace are counted."""

MAX_BINS = 10_000_000
"""No trace lasts longer [s]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """Times [s] and rates [Mbit/s] of one run of a recording, its name in the file, and notes."""

    time_s: Floats
    mbps: Floats
    run: str = ""
    notes: tuple[str, ...] = ()


def read_rates(selection: Selection, reading: Reading) -> list[Series]:
    """Return the runs of a recording of bandwidth.

    Raises:
        InputError: a number, the order of the rows, a gap or the rates are wrong.
    """
    if reading.unit and "rate" not in selection.names:
        message = f"the format {selection.form_name} has no column of rates whose unit could be set"
        raise InputError(message, where=f"{reading.prefix}unit", hint="remove the key unit")
    if set(selection.names) == {"time"}:
        return [_packets(selection, reading)]
    if "rate" in selection.names:
        stated, is_assumed = selection.unit("rate")
        unit, is_assumed = reading.unit or stated, is_assumed and reading.unit is None
        given = numbers(selection, "rate")
        if not unit:
            name = selection.names["rate"][0]
            message = f"nothing says in which unit the rates of the column '{name}' are"
            hint = f"{reading.assignment('unit', 'Mbit/s')}, or one of {', '.join(RATE_UNITS)}"
            raise InputError(message, where=str(selection.table.file), hint=hint)
        _check_not_negative(selection, given, unit)
        mbps = given * RATE_UNITS[unit]
    else:
        unit, is_assumed, mbps = "", False, _bytes_over_time(selection)
    time_s, time_unit, is_time_assumed = seconds(selection, reading)
    check_count(selection.table.file, time_s.size, "rows")
    notes = [
        f"the {what} are taken to be in {of}: the file does not say"
        for what, of, is_custom in (
            ("times", time_unit, is_time_assumed),
            ("rates", unit, is_assumed),
        )
        if is_custom
    ]
    result: list[Series] = []
    for run, rows in _runs(selection, time_s):
        one = _ordered(selection, run, rows, time_s[rows], mbps[rows])
        check_gap(selection, rows, one.time_s, reading, MAX_GAP_S)
        if is_time_assumed:
            check_step(selection, one.time_s, reading, time_unit)
        result.append(Series(time_s=one.time_s, mbps=one.mbps, run=run, notes=(*notes, *one.notes)))
    check_rate(selection, mbps, reading, unit, is_assumed)
    return result


def _first(wrong: np.ndarray) -> int | None:
    """Return the first row where ``wrong``, or None."""
    rows = np.flatnonzero(wrong)
    return int(rows[0]) if rows.size else None


def _bytes_over_time(selection: Selection) -> Floats:
    """Return the rates [Mbit/s] of bytes that were received over an interval [ms]."""
    count, interval_ms = numbers(selection, "bytes"), numbers(selection, "interval")
    at = _first((count < 0) | (interval_ms <= 0))
    if at is not None:
        message = f"bytes and ms must be positive; got {count[at]:g} and {interval_ms[at]:g}"
        hint = "correct or remove the line"
        raise InputError(message, where=selection.table.where(at), hint=hint)
    return 8e-3 * count / interval_ms


def _packets(selection: Selection, reading: Reading) -> Series:
    """Return the rates of a Mahimahi trace: packets of 1500 bytes in each second."""
    time_s, unit, _ = seconds(selection, reading)
    check_count(selection.table.file, time_s.size, "rows")
    at = _first((time_s < 0) | (numbers(selection, "time") % 1 != 0))
    if at is not None:
        message = f"{selection.values('time')[1][at]} must be the time of a packet in whole {unit}"
        hint = "a file of one column is read as one of Mahimahi; add a column of times [s]"
        raise InputError(message, where=selection.table.where(at), hint=hint)
    at = _first(np.diff(time_s, prepend=time_s[:1]) < 0)
    if at is not None:
        message = f"the time goes back from {time_s[at - 1]:g} s to {time_s[at]:g} s"
        hint = "sort the file: sort -n FILE"
        raise InputError(message, where=selection.table.where(at), hint=hint)
    check_gap(selection, np.arange(time_s.size), time_s, reading, MAX_GAP_S)
    bins = int((time_s[-1] + 1e-3) / BIN_S)
    if bins >= MAX_BINS:
        message = f"it lasts {bins:g} s"
        raise InputError(message, where=str(selection.table.file), hint="cut it into shorter files")
    if bins < 2:
        raise too_short(selection.table.file, bins, "seconds")
    slot = np.floor(time_s / BIN_S + 1e-9).astype(np.int64)
    packets = np.bincount(slot[slot < bins], minlength=bins)
    mbps = packets * PACKET_BITS / BIN_S / 1e6
    check_rate(selection, mbps, reading, "", False)
    note = f"packets of 1500 bytes are counted over {BIN_S:g} s"
    return Series(time_s=BIN_S * np.arange(bins, dtype=np.float64), mbps=mbps, notes=(note,))


def _runs(selection: Selection, time_s: Floats) -> Iterator[tuple[str, Integers]]:
    """Yield the name and the rows of each run; a format without runs has one."""
    rows = np.arange(time_s.size)
    names = selection.names.get("run", [])
    if not names:
        yield "", rows
        return
    keys = [tuple(map(str, row)) for row in zip(*(selection.at(n)[1] for n in names), strict=True)]
    ends = [
        at for at in range(1, len(keys)) if keys[at] != keys[at - 1] or time_s[at] <= time_s[at - 1]
    ]
    for number, part in enumerate(np.split(rows, ends), 1):
        if part.size > 1:  # a single row has no duration
            yield f"run {number}", part


def _ordered(
    selection: Selection, run: str, rows: Integers, time_s: Floats, mbps: Floats
) -> Series:
    """Return a run in which time increases; rows of one second of a clock become their mean."""
    notes: tuple[str, ...] = ()
    if selection.unit("time")[0] == CLOCK:
        same = np.flatnonzero(np.diff(time_s) == 0).size
        if same:
            notes = (f"{same} rows share the time of the row before: their mean is taken",)
        starts = np.flatnonzero(np.concatenate([[True], np.diff(time_s) != 0]))
        counts = np.diff(np.append(starts, time_s.size))
        time_s, mbps, rows = time_s[starts], np.add.reduceat(mbps, starts) / counts, rows[starts]
    if time_s.size < 2:
        raise too_short(selection.table.file, int(time_s.size), "times")
    stuck = np.flatnonzero(np.diff(time_s) <= 0)
    if stuck.size:
        at = int(stuck[0]) + 1
        hint = "sort the file by time and keep one row for each time"
        if np.all(np.diff(mbps) > 0):
            hint = "the second column increases: the columns are swapped; write 'seconds Mbit/s'"
        raise InputError(
            f"the time does not increase: {time_s[at]:g} s after {time_s[at - 1]:g} s",
            where=selection.table.where(int(rows[at])),
            hint=hint,
        )
    return Series(time_s=time_s, mbps=mbps, run=run, notes=notes)


def _check_not_negative(selection: Selection, rates: Floats, unit: str) -> None:
    negative = np.flatnonzero(rates < 0)
    if negative.size:
        at = int(negative[0])
        raise InputError(
            f"the bandwidth is negative: {rates[at]:g} {unit}",
            where=selection.table.where(at),
            hint="an outage is 0; correct or remove the line",
        )
