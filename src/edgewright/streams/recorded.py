"""Define processes that play back recorded traces, each of which makes one field of a stream.

A :class:`Recording` has the interface of the synthetic processes in
:mod:`edgewright.streams.processes`, so :meth:`Composite.replace` swaps one for the other. The
builders below read files with :mod:`edgewright.streams.traces`. A world driven by several
recordings is a composition of independent sources: no public data set holds the joint trace.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from edgewright.core.errors import InputError
from edgewright.core.records import Array, record, static
from edgewright.streams.traces import (
    MAX_SAMPLES,
    Floats,
    Part,
    PathLike,
    RequestLog,
    check_part,
    check_positive,
    load_bandwidth_two_column,
    load_requests,
    resample_zero_order_hold,
    split_by_file,
)

Place = tuple[Array, Array]
"""The memory of a recording: file and position in it that come next, ``[*shape]`` int32 each."""

TRAIN_SHARE = 0.7
"""Share of the duration of a single log that is its train part."""

TOKEN_WORK = (1.0, 10.0)
"""Work of an input and of an output token: an assumption; only their ratio matters."""


@record
class Recording:
    """Recorded values in their order, looped without end; each element has its own phase.

    All chance is in ``start``: every element of ``shape`` draws a file with a probability
    proportional to its length and a uniform phase in it, which makes every recorded value equally
    likely in every row. ``take`` is one gather and uses no random words.

    Attributes:
        values: ``[files, longest]`` float32, each row padded at its end; padding is never read.
        lengths: ``[files]`` int32, number of values of each file, at least 1.
        order: flat places of all recorded values, from the smallest value to the largest.
        scale: factor of the values, broadcast to ``shape``.
        shape: axes of one row, e.g. ``(devices,)``.
    """

    values: Array
    lengths: Array
    order: Array
    scale: Any = 1.0
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=0)

    def init_carry(self, key: Array) -> Place:
        lengths = jnp.asarray(self.lengths, jnp.int32)
        ends = jnp.cumsum(lengths)
        cell = jax.random.randint(key, self.shape, 0, ends[-1])
        file = jnp.sum(cell[..., None] >= ends, axis=-1, dtype=jnp.int32)
        return file, cell - (ends - lengths)[file]

    def next_rows(self, memory: Place, bits: Array) -> tuple[Place, Array]:
        file, position = memory
        length = bits.shape[1]
        count = jnp.asarray(self.lengths, jnp.int32)[file]
        ahead = jnp.arange(length, dtype=jnp.int32).reshape(length, *(1 for _ in self.shape))
        values = jnp.asarray(self.values, jnp.float32)[file, (position + ahead) % count]
        return (file, (position + length) % count), values * self.scale

    def resume(self, key: Array, x: Array) -> Place:
        """Return the place that follows the recorded value nearest to ``x``.

        The place of a value in a recording is hidden. So each element takes one of the places whose
        value is nearest to ``x``, all equally likely, and the future is the recording after it.
        With rare values that is the true future, with common ones (an idle server) one of many.
        """
        values, lengths = jnp.asarray(self.values, jnp.float32), jnp.asarray(self.lengths)
        longest = values.shape[1]
        ranked = jnp.asarray(self.order)
        level = values.ravel()[ranked]  # ascending
        scale = jnp.broadcast_to(jnp.asarray(self.scale, jnp.float32), self.shape)
        wanted = jnp.broadcast_to(jnp.asarray(x, jnp.float32), self.shape) / scale
        above = jnp.clip(jnp.searchsorted(level, wanted), 0, level.size - 1)
        below = jnp.maximum(above - 1, 0)
        is_below = wanted - level[below] <= level[above] - wanted
        nearest = jnp.where(is_below, level[below], level[above])
        first = jnp.searchsorted(level, nearest, side="left")
        after = jnp.searchsorted(level, nearest, side="right")
        cell = ranked[jax.random.randint(key, self.shape, first, after)]
        file = cell // longest
        return file, (cell % longest + 1) % lengths[file]


def recording(
    rows: Sequence[ArrayLike], *, shape: tuple[int, ...] = (), scale: ArrayLike = 1.0
) -> Recording:
    """Pack recordings of any lengths into one process.

    Args:
        rows: one vector of finite values for each recording.
        shape: axes of one row of the stream.
        scale: factor of the values, a number or an array that broadcasts to ``shape``.
    """
    vectors = [np.asarray(row, np.float32) for row in rows]
    lengths = [vector.size for vector in vectors]
    if not vectors or 0 in lengths or any(vector.ndim != 1 for vector in vectors):
        raise InputError(
            f"the shapes of the recordings are {[vector.shape for vector in vectors]}",
            where="recording",
            hint="give one or more vectors that are not empty",
        )
    if not all(np.all(np.isfinite(vector)) for vector in vectors):
        raise InputError("a value is not finite", where="recording")
    if sum(lengths) >= 2**31:
        raise InputError(f"{sum(lengths)} values are too many", where="recording")
    values = np.zeros((len(vectors), max(lengths)), np.float32)
    for row, vector in zip(values, vectors, strict=True):
        row[: vector.size] = vector
    filled = np.arange(max(lengths)) < np.asarray(lengths)[:, None]
    places = np.flatnonzero(filled)
    return Recording(
        values=jnp.asarray(values),
        order=jnp.asarray(places[np.argsort(values.ravel()[places], kind="stable")], jnp.int32),
        lengths=jnp.asarray(lengths, jnp.int32),
        scale=_broadcastable("scale", scale, shape),
        shape=shape,
    )


def recorded_bandwidth(
    folder_or_files: PathLike | Sequence[PathLike],
    *,
    interval_s: float,
    mean_mbps: float | None = None,
    part: Part = "train",
    shape: tuple[int, ...] = (),
    max_gap_s: float = 30.0,
    low_mbps: float | None = None,
) -> Recording:
    """Return the recorded bandwidth [Mbit/s] of the files of one part.

    Args:
        folder_or_files: a folder, of which all ``*.txt`` are read, or the files (two or more).
        interval_s: time between two rows of the stream [s]; values hold in between.
        mean_mbps: mean over all rows of the part. All files are scaled by one common factor, which
            keeps their burstiness (relative to the mean) and the differences between them, but not
            the physics of the link they were recorded on: say so beside a result. ``None`` keeps
            the recorded values. Each part is scaled by its own factor.
        part: ``"train"`` or ``"test"``, split by file.
        shape: axes of one row, e.g. ``(devices,)``.
        max_gap_s: longest time between two rows of a file [s].
        low_mbps: floor [Mbit/s] applied last, so that an outage does not make a transmission time
            infinite: outages are clipped to it, which can only raise the mean.
    """
    check_positive("interval_s", interval_s)
    if mean_mbps is not None:
        check_positive("mean_mbps", mean_mbps)
    files = split_by_file(_text_files(folder_or_files), part)
    rows = [_resampled(file, interval_s, max_gap_s) for file in files]
    if mean_mbps is not None:
        factor = mean_mbps / _positive_mean(np.concatenate(rows), "bandwidth", f"part '{part}'")
        rows = [factor * row for row in rows]
    if low_mbps is not None:
        check_positive("low_mbps", low_mbps)
        rows = [np.maximum(row, low_mbps) for row in rows]
    if min(float(np.min(row)) for row in rows) <= 0:
        raise InputError(
            "the bandwidth falls to 0 Mbit/s, and no task ever arrives",
            where=f"part '{part}' of the recordings",
            hint="give low_mbps, the least bandwidth that counts",
        )
    return recording(rows, shape=shape)


def recorded_gaps(
    path: PathLike,
    *,
    mean_s: ArrayLike,
    part: Part = "train",
    shape: tuple[int, ...] = (),
    max_gap_s: float = 600.0,
) -> Recording:
    """Return the gaps [s] between the requests of a log, in their order.

    The values have mean 1 and ``scale`` is ``mean_s``, so the rate can be changed without reading
    the log again. Gaps of zero (requests that came together) are kept.

    Args:
        path: a ``.csv`` or ``.jsonl`` log, see :func:`load_requests`.
        mean_s: wanted mean gap [s], a number or an array that broadcasts to ``shape``.
        part: ``"train"``, the first 70 % of the time of the log, or ``"test"``, the rest.
        shape: axes of one row, e.g. ``(devices,)``; each element starts at a phase of its own.
        max_gap_s: longest time between two requests [s].
    """
    log = _part_of(load_requests(path, max_gap_s=max_gap_s), part)
    mean = _broadcastable("mean_s", mean_s, shape, above_zero=True)
    gaps = np.diff(log.time_s)
    return recording([gaps / _positive_mean(gaps, "gap", log.source)], shape=shape, scale=mean)


def recorded_load(
    path: PathLike,
    *,
    utilisation: ArrayLike,
    capacity: ArrayLike,
    interval_s: float,
    part: Part = "train",
    shape: tuple[int, ...] = (),
    max_gap_s: float = 600.0,
) -> Recording:
    """Return the load that others bring to each server, as mean work rate [Gcycle/s] over one row.

    The work of a request is ``input tokens + 10 * output tokens``, summed over slots of
    ``interval_s`` of the log as it was recorded (its time is not compressed) and scaled so that the
    mean is ``utilisation * capacity``. The values have mean 1, ``scale`` holds that product. A row
    may exceed the capacity: the log is bursty.

    Args:
        path: a ``.csv`` or ``.jsonl`` log, see :func:`load_requests`.
        utilisation: ``[*shape]`` or a number: share of the capacity taken on average.
        capacity: ``[*shape]`` or a number: work the server can do [Gcycle/s].
        interval_s: time between two rows [s].
        part: ``"train"``, the first 70 % of the time of the log, or ``"test"``, the rest.
        shape: axes of one row, e.g. ``(servers,)``; each server starts at a phase of its own.
        max_gap_s: longest time between two requests [s].
    """
    check_positive("interval_s", interval_s)
    mean_rate = _broadcastable("utilisation", utilisation, shape) * _broadcastable(
        "capacity", capacity, shape, above_zero=True
    )
    log = _part_of(load_requests(path, max_gap_s=max_gap_s), part)
    work = _work_per_slot(log, interval_s)
    load = work / _positive_mean(work, "work", log.source)
    return recording([load], shape=shape, scale=mean_rate)


def _text_files(folder_or_files: PathLike | Sequence[PathLike]) -> list[Path]:
    if not isinstance(folder_or_files, str | os.PathLike):
        return [Path(file).expanduser().absolute() for file in folder_or_files]
    given = Path(folder_or_files).expanduser().resolve()
    if given.is_file():
        return [given]
    if not given.is_dir():
        raise InputError(
            "no such folder", where=str(given), hint="name the folder that holds the recordings"
        )
    files = sorted(given.glob("*.txt"))
    if not files:
        raise InputError(
            "the folder holds no *.txt file", where=str(given), hint="name the folder of the traces"
        )
    return files


def _resampled(file: Path, interval_s: float, max_gap_s: float) -> Floats:
    trace = load_bandwidth_two_column(file, max_gap_s=max_gap_s)
    row = resample_zero_order_hold(trace.time_s, trace.bandwidth_mbps, interval_s)
    if row.size < 2:
        duration = trace.time_s[-1] - trace.time_s[0]
        raise InputError(
            f"the recording of {duration:g} s is shorter than interval_s = {interval_s:g}",
            where=str(file),
            hint="choose a shorter interval_s, or remove the file",
        )
    return row


def _part_of(log: RequestLog, part: Part) -> RequestLog:
    """Return the first 70 % of the time of a log, or the rest; times start at 0 again."""
    check_part(part)
    is_train = log.time_s < TRAIN_SHARE * log.time_s[-1]
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


def _broadcastable(
    name: str, value: ArrayLike, shape: tuple[int, ...], above_zero: bool = False
) -> Array:
    """Return ``value`` as float32 ``[*shape]``; refuse what is negative or does not fit."""
    given = np.asarray(value, np.float64)
    low_enough = given > 0 if above_zero else given >= 0
    if not np.all(np.isfinite(given) & low_enough):
        sign = "positive" if above_zero else "zero or positive"
        raise InputError(
            f"{name} = {given.tolist()} is not {sign} and finite",
            where=name,
            hint="correct the value",
        )
    try:
        return jnp.asarray(np.broadcast_to(given, shape), jnp.float32)
    except ValueError:
        raise InputError(
            f"{name} has shape {given.shape}, which does not broadcast to {shape}",
            where=name,
            hint=f"give a number or an array of shape {shape}",
        ) from None
