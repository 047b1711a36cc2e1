"""Read recorded bandwidth in any of the formats of :mod:`edgewright.streams.traces.formats`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from edgewright.core.errors import InputError
from edgewright.streams.traces.columns import find_columns
from edgewright.streams.traces.lines import Floats, PathLike, check_positive
from edgewright.streams.traces.rates import read_rates
from edgewright.streams.traces.reading import Reading
from edgewright.streams.traces.tables import read_table

MAX_SAMPLES = 100_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class BandwidthTrace:
    """Throughput over time; each value holds until the next time.

    Attributes:
        time_s: ``[n]`` seconds, strictly increasing; the first need not be 0.
        bandwidth_mbps: ``[n]`` Mbit/s, not negative.
        source: name of the file, and of the run in it where it holds several.
        format: name of the file's format.
        notes: what the reader assumed or did, in words.
    """

    time_s: Floats
    bandwidth_mbps: Floats
    source: str
    format: str = "two columns"
    notes: tuple[str, ...] = ()


def load_bandwidth(path: PathLike, reading: Reading | None = None) -> list[BandwidthTrace]:
    """Read the recordings of bandwidth in a file; most formats hold one, Lumos5G one for each run.

    Args:
        path: the file; its format follows from its columns.
        reading: what the file does not say itself.

    Raises:
        InputError: the format is not known, a line is wrong, or the numbers are not plausible.
    """
    reading = reading or Reading()
    selection = find_columns(read_table(Path(path), "rows"), "bandwidth", reading)
    file = selection.table.file
    traces = [
        BandwidthTrace(
            time_s=one.time_s,
            bandwidth_mbps=one.mbps,
            source=f"{file.name}, {one.run}" if one.run else file.name,
            format=selection.form_name,
            notes=one.notes,
        )
        for one in read_rates(selection, reading)
    ]
    if not any(np.any(trace.bandwidth_mbps > 0) for trace in traces):
        raise InputError(
            "the bandwidth is 0 Mbit/s in every row",
            where=str(file),
            hint="remove the file: it holds no link",
        )
    return traces


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
        hint = "sort by time and keep one value for each time"
        raise InputError("time_s is not increasing", where="resample_zero_order_hold", hint=hint)
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
