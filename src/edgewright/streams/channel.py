"""Draw or replay the power gain of each device's uplink in each slot.

Files of recorded gains are read by :mod:`edgewright.streams.gains`.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Memoryless, Number, record, static
from edgewright.streams.gains import GainReading, load_gains
from edgewright.streams.processes import normal, unit
from edgewright.streams.traces import Part, PathLike, check_part

TRAIN_SHARE = 0.8
"""Share of the recorded slots that is the train part, as in DROO's own evaluation."""


@record
class Fading(Memoryless):
    """A mean gain times log-normal shadowing times Rayleigh fading, all drawn anew in each slot.

    Rayleigh fading is an exponential power gain with mean 1. Shadowing of ``shadowing_db`` decibels
    has median 1.

    Attributes:
        mean_gain: ``[*shape]`` linear power gain of the path.
        shadowing_db: deviation in decibels; 0 switches it off.
    """

    mean_gain: Number
    shadowing_db: Number
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=2)

    def next_rows(self, memory: tuple[()], bits: Array) -> tuple[tuple[()], Array]:
        fading = -jnp.log(unit(bits[0]))
        shadow = jnp.exp(math.log(10) / 10 * self.shadowing_db * normal(bits[1]))
        return memory, self.mean_gain * fading * shadow

    def resume(self, key: Array, x: Array) -> tuple[()]:
        return ()


@record
class RecordedRows:
    """Recorded rows in their order, looped without end: the devices of a slot stay together.

    Attributes:
        values: ``[slots, *shape]``.
        scale: factor of the values.
    """

    values: Array
    scale: Number = 1.0
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=0)

    def init_carry(self, key: Array) -> Array:
        return jax.random.randint(key, (), 0, self.values.shape[0])

    def next_rows(self, memory: Array, bits: Array) -> tuple[Array, Array]:
        length, count = bits.shape[1], self.values.shape[0]
        places = (memory + jnp.arange(length, dtype=jnp.int32)) % count
        return (memory + length) % count, jnp.asarray(self.values)[places] * self.scale

    def resume(self, key: Array, x: Array) -> Array:
        """Return the place after the recorded row nearest to ``x``."""
        apart = jnp.asarray(self.values) * self.scale - x
        distance = jnp.sum(jnp.square(apart), axis=tuple(range(1, apart.ndim)))
        return ((jnp.argmin(distance) + 1) % self.values.shape[0]).astype(jnp.int32)


def part_of(rows: np.ndarray, part: Part) -> np.ndarray:
    """Return the first 80 % of the rows for training, the rest for tests."""
    check_part(part)
    cut = round(TRAIN_SHARE * rows.shape[0])
    return rows[:cut] if part == "train" else rows[cut:]


def recorded_gains(
    path: PathLike,
    *,
    devices: int,
    scale: float = 1.0,
    part: Part = "train",
    reading: GainReading | None = None,
) -> RecordedRows:
    """Return the recorded gains of the first ``devices`` devices of a file.

    Raises:
        InputError: the file is not readable or has fewer devices.
    """
    gain = load_gains(path, reading).gain
    if gain.shape[1] < devices:
        message = f"the recording has {gain.shape[1]} devices and {devices} are wanted"
        hint = f"set world.devices = {gain.shape[1]} or less, or name another file"
        raise InputError(message, where=str(path), hint=hint)
    rows = part_of(gain[:, :devices], part)
    if not len(rows):
        message = f"its {len(gain)} slots are too few for the part '{part}'"
        raise InputError(message, where=str(path), hint="give a recording of five slots or more")
    return RecordedRows(values=jnp.asarray(rows, jnp.float32), scale=scale, shape=(devices,))
