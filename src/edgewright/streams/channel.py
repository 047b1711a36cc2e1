"""Draw or replay the power gain of each device's uplink in each slot.

Recorded gains are read from the ``.mat`` files that DROO publishes (Huang, Bi, Zhang, IEEE TMC
19(11), 2020): a matrix ``input_h`` ``[slots, devices]`` and, beside it, the enumerated optimum of
DROO's own objective.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Memoryless, Number, record, static
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


def load_gains(path: PathLike) -> dict[str, np.ndarray]:
    """Read a file of channel gains.

    Returns:
        ``gain`` ``[slots, devices]`` and, where the file has them, ``mode`` ``[slots, devices]``
        and ``rate`` ``[slots]``: the optimum of DROO's own objective.

    Raises:
        InputError: the file cannot be read, or its gains are not a matrix of positive numbers.
    """
    content = _arrays(path)
    if "input_h" not in content:
        message = "the matrix 'input_h' of channel gains is missing"
        raise InputError(message, where=str(path), hint="give a file of DROO's form")
    gain = np.asarray(content["input_h"], float)
    if gain.ndim != 2 or gain.size == 0 or not np.all(np.isfinite(gain) & (gain > 0)):
        message = f"'input_h' must be a matrix of positive numbers; got shape {gain.shape}"
        raise InputError(message, where=str(path), hint="one row a slot, one column a device")
    result = {"gain": gain}
    for name, key in (("mode", "output_mode"), ("rate", "output_obj")):
        if key in content:
            values = np.squeeze(np.asarray(content[key], float))
            if values.shape[:1] != gain.shape[:1]:
                message = f"'{key}' has {values.shape[:1]} rows, 'input_h' has {gain.shape[:1]}"
                raise InputError(message, where=str(path), hint="they must belong together")
            result[name] = values
    return result


def part_of(rows: np.ndarray, part: Part) -> np.ndarray:
    """Return the first 80 % of the rows for training, the rest for tests."""
    check_part(part)
    cut = round(TRAIN_SHARE * rows.shape[0])
    return rows[:cut] if part == "train" else rows[cut:]


def recorded_gains(
    path: PathLike, *, devices: int, scale: float = 1.0, part: Part = "train"
) -> RecordedRows:
    """Return the recorded gains of the first ``devices`` devices of a file.

    Raises:
        InputError: the file is not readable or has fewer devices.
    """
    gain = load_gains(path)["gain"]
    if gain.shape[1] < devices:
        message = f"the recording has {gain.shape[1]} devices and {devices} are wanted"
        raise InputError(message, where=str(path), hint="lower world.devices or name another file")
    rows = part_of(gain[:, :devices], part)
    return RecordedRows(values=jnp.asarray(rows, jnp.float32), scale=scale, shape=(devices,))


def _arrays(path: PathLike) -> dict[str, Any]:
    """Return the numeric arrays of a MATLAB 5 file; nothing in it is run."""
    from scipy.io import loadmat

    if not Path(path).is_file():
        raise InputError(
            "the file must exist", where=str(path), hint="give the path of an existing file"
        )
    try:
        content = loadmat(str(path), appendmat=False)
    except Exception as error:  # scipy raises whatever it stumbles over in a damaged file
        message = f"no readable MATLAB file: {error}"
        raise InputError(message, where=str(path), hint="give a file of DROO's form") from None
    return {
        name: value
        for name, value in content.items()
        if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.number)
    }
