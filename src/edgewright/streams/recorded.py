"""Build the processes that play back recorded traces, each of which makes one field of a stream.

A :class:`Recording` has the interface of the synthetic processes in
:mod:`edgewright.streams.processes`, so :meth:`Composite.replace` swaps one for the other. The
builders below read files with :mod:`edgewright.streams.traces`. A world driven by several
recordings is a composition of independent sources: no public data set holds the joint trace.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from edgewright.core.errors import InputError
from edgewright.streams.playback import Place, Recording, broadcastable, recording
from edgewright.streams.traces import (
    MAX_SAMPLES,
    BandwidthTrace,
    Floats,
    Part,
    PathLike,
    Reading,
    RequestLog,
    check_part,
    check_positive,
    load_bandwidth,
    load_requests,
    recording_files,
    resample_zero_order_hold,
    split_by_file,
)

TRAIN_SHARE = 0.7
"""Share of the duration of a single log that is its train part."""

TOKEN_WORK = (1.0, 10.0)
"""Work of an input and of an output token: an assumption; only their ratio matters."""


def recorded_bandwidth(
    folder_or_files: PathLike | Sequence[PathLike],
    *,
    interval_s: float,
    mean_mbps: float | None = None,
    part: Part = "train",
    shape: tuple[int, ...] = (),
    low_mbps: float | None = None,
    reading: Reading | None = None,
) -> Recording:
    """Return the recorded bandwidth [Mbit/s] of the files of one part.

    Args:
        folder_or_files: a folder, a file, or several of them, see :func:`recording_files`. Two
            recordings are needed: files, or runs of one file.
        interval_s: time between two rows of the stream [s]; values hold in between.
        mean_mbps: mean over all rows of the part. All files are scaled by one common factor, which
            keeps their burstiness (relative to the mean) and the differences between them, but not
            the physics of the link they were recorded on: say so beside a result. ``None`` keeps
            the recorded values. Each part is scaled by its own factor.
        part: ``"train"`` or ``"test"``, split by file.
        shape: axes of one row, e.g. ``(devices,)``.
        low_mbps: floor [Mbit/s] applied last, so that an outage does not make a transmission time
            infinite: outages are clipped to it, which can only raise the mean.
        reading: what the files do not say themselves.
    """
    check_positive("interval_s", interval_s)
    if mean_mbps is not None:
        check_positive("mean_mbps", mean_mbps)
    check_part(part)
    reading = reading or Reading()
    paths = recording_files(folder_or_files, reading)
    rows = [_resampled(trace, interval_s) for trace in bandwidth_part(paths, reading, part)]
    if mean_mbps is not None:
        factor = mean_mbps / _positive_mean(np.concatenate(rows), "bandwidth", f"part '{part}'")
        rows = [factor * row for row in rows]
    if low_mbps is not None:
        check_positive("low_mbps", low_mbps)
        rows = [np.maximum(row, low_mbps) for row in rows]
    if min(float(np.min(row)) for row in rows) <= 0:
        floor = reading.assignment("low_mbps", 0.1)
        raise InputError(
            "the bandwidth falls to 0 Mbit/s, and no task ever arrives",
            where=f"part '{part}' of the recordings",
            hint=f"give low_mbps, the least bandwidth that counts: {floor}",
        )
    return recording(rows, shape=shape)


def recorded_gaps(
    path: PathLike,
    *,
    mean_s: ArrayLike,
    part: Part = "train",
    train_from: float = 0.0,
    shape: tuple[int, ...] = (),
    reading: Reading | None = None,
) -> Recording:
    """Return the gaps [s] between the requests of a log, in their order.

    The values have mean 1 and ``scale`` is ``mean_s``, so the rate can be changed without reading
    the log again. Gaps of zero (requests that came together) are kept.

    Args:
        path: a log, see :func:`load_requests`.
        mean_s: wanted mean gap [s], a number or an array that broadcasts to ``shape``.
        part: ``"train"``, 70 % of the time of the log, or ``"test"``, the rest.
        train_from: share of the log at which the train part begins, in [0, 1). It goes on at the
            beginning of the log after its end.
        shape: axes of one row, e.g. ``(devices,)``; each element starts at a phase of its own.
        reading: what the log does not say itself.
    """
    log = _part_of(load_requests(path, reading), part, train_from)
    mean = broadcastable("mean_s", mean_s, shape, above_zero=True)
    gaps = np.diff(log.time_s)
    return recording([gaps / _positive_mean(gaps, "gap", log.source)], shape=shape, scale=mean)


def recorded_load(
    path: PathLike,
    *,
    utilisation: ArrayLike,
    capacity: ArrayLike,
    interval_s: float,
    part: Part = "train",
    train_from: float = 0.0,
    shape: tuple[int, ...] = (),
    reading: Reading | None = None,
) -> Recording:
    """Return the load that others bring to each server, as mean work rate [Gcycle/s] over one row.

    The work of a request is ``input tokens + 10 * output tokens``, summed over slots of
    ``interval_s`` of the log as it was recorded (its time is not compressed) and scaled so that the
    mean is ``utilisation * capacity``. The values have mean 1, ``scale`` holds that product. A row
    may exceed the capacity: the log is bursty.

    Args:
        path: a log, see :func:`load_requests`.
        utilisation: ``[*shape]`` or a number: share of the capacity taken on average.
        capacity: ``[*shape]`` or a number: work the server can do [Gcycle/s].
        interval_s: time between two rows [s].
        part: ``"train"``, 70 % of the time of the log, or ``"test"``, the rest.
        train_from: share of the log at which the train part begins, in [0, 1). It goes on at the
            beginning of the log after its end.
        shape: axes of one row, e.g. ``(servers,)``; each server starts at a phase of its own.
        reading: what the log does not say itself.
    """
    check_positive("interval_s", interval_s)
    mean_rate = broadcastable("utilisation", utilisation, shape) * broadcastable(
        "capacity", capacity, shape, above_zero=True
    )
    log = _part_of(load_requests(path, reading), part, train_from)
    work = _work_per_slot(log, interval_s)
    load = work / _positive_mean(work, "work", log.source)
    return recording([load], shape=shape, scale=mean_rate)


def bandwidth_part(files: Sequence[Path], reading: Reading, part: Part) -> list[BandwidthTrace]:
    """Return the recordings of bandwidth of one part.

    Files are split by name. A single file that holds several runs is split by run.
    """
    if len(files) != 1:
        chosen = split_by_file(files, part)
        return [trace for file in chosen for trace in load_bandwidth(file, reading)]
    traces = load_bandwidth(files[0], reading)
    if len(traces) < 2:
        split_by_file(files, part)  # refuses
    by_name = {Path(trace.source): trace for trace in traces}
    return [by_name[name] for name in split_by_file(by_name, part)]


def _resampled(trace: BandwidthTrace, interval_s: float) -> Floats:
    row = resample_zero_order_hold(trace.time_s, trace.bandwidth_mbps, interval_s)
    if row.size < 2:
        duration = trace.time_s[-1] - trace.time_s[0]
        raise InputError(
            f"the recording of {duration:g} s is shorter than interval_s = {interval_s:g}",
            where=trace.source,
            hint="choose a shorter interval (params.slot_s of a scenario), or remove the file",
        )
    return row


def _part_of(log: RequestLog, part: Part, train_from: float = 0.0) -> RequestLog:
    """Return 70 % of the time of a log, or the rest; times start at 0 again."""
    check_part(part)
    train_s = TRAIN_SHARE * log.time_s[-1]
    log = _turned(log, train_from)
    is_train = log.time_s < train_s
    chosen = is_train if part == "train" else ~is_train
    time_s = log.time_s[chosen]
    if time_s.size < 2 or time_s[-1] == time_s[0]:
        raise InputError(
            f"the part '{part}' of the log holds {time_s.size} requests within "
            f"{np.ptp(time_s) if time_s.size else 0.0:g} s",
            where=log.source,
            hint="give a longer log",
        )
    return RequestLog(
        time_s=time_s - time_s[0],
        input_tokens=log.input_tokens[chosen],
        output_tokens=log.output_tokens[chosen],
        source=log.source,
    )


def _turned(log: RequestLog, share: float) -> RequestLog:
    """Return a log that begins at a share of its time, with what was before it at its end."""
    if share == 0.0:
        return log
    last = log.time_s[-1]
    first = int(np.searchsorted(log.time_s, share * last))
    time_s = np.roll(log.time_s, -first)
    time_s[log.time_s.size - first :] += last
    return dataclasses.replace(
        log,
        time_s=time_s - share * last,
        input_tokens=np.roll(log.input_tokens, -first),
        output_tokens=np.roll(log.output_tokens, -first),
    )


def _work_per_slot(log: RequestLog, interval_s: float) -> Floats:
    """Return the work in each whole slot of a log."""
    slots = math.floor(log.time_s[-1] / interval_s + 1e-9)
    if slots < 2:
        raise InputError(
            f"the part lasts {log.time_s[-1]:g} s, fewer than two slots of {interval_s:g} s",
            where=log.source,
            hint="choose a shorter interval_s, or give a longer log",
        )
    if slots >= MAX_SAMPLES:
        raise InputError(f"interval_s = {interval_s:g} makes {slots} slots", where="interval_s")
    work = TOKEN_WORK[0] * log.input_tokens + TOKEN_WORK[1] * log.output_tokens
    slot = np.floor(log.time_s / interval_s + 1e-9).astype(np.int64)
    inside = slot < slots
    summed = np.bincount(slot[inside], weights=work[inside], minlength=slots)
    return summed.astype(np.float64)


def _positive_mean(values: Floats, what: str, where: str) -> float:
    mean = float(np.mean(values))
    if not mean > 0:
        raise InputError(
            f"the mean {what} is {mean:g}, which no factor can scale",
            where=where,
            hint="give a recording that is not zero throughout",
        )
    return mean


__all__ = [
    "TOKEN_WORK",
    "TRAIN_SHARE",
    "Place",
    "Recording",
    "bandwidth_part",
    "recorded_bandwidth",
    "recorded_gaps",
    "recorded_load",
    "recording",
]
