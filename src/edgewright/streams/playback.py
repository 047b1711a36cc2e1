"""Define the process that plays back recorded values, looped, from a phase of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from edgewright.core.errors import InputError
from edgewright.core.records import Array, record, static

Place = tuple[Array, Array]
"""The memory of a recording: file and position in it that come next, ``[*shape]`` int32 each."""


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
        scale=broadcastable("scale", scale, shape),
        shape=shape,
    )


def broadcastable(
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
