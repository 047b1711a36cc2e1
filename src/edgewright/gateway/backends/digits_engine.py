"""Let the digits generator make the images of a back end."""

from __future__ import annotations

import dataclasses
import functools
import struct
import time
import zlib
from collections.abc import Iterator

import numpy as np

from edgewright.gateway.backends import png
from edgewright.gateway.backends.digits import TILE, Digits
from edgewright.gateway.backends.seeds import seed_of
from edgewright.gateway.config import SHEET
from edgewright.gateway.jobs import BackendError, Job
from edgewright.gateway.settings import BackendTable

SHEET_TILES = (SHEET // TILE) ** 2
_REPEATS = 5


@dataclasses.dataclass(frozen=True)
class Work:
    """The time of a sheet of digits on this machine, which is affine in steps and digits.

    Attributes:
        image_tile_s: of its first noise and its file, for each digit.
        step_s, step_tile_s: of a denoising step: fixed, and for each digit.
    """

    image_tile_s: float
    step_s: float
    step_tile_s: float

    def step(self, size: tuple[int, int]) -> float:
        """Return the time of a step in seconds."""
        return self.step_s + self.step_tile_s * size[0] * size[1] / TILE**2

    def image(self, size: tuple[int, int], steps: int) -> float:
        """Return the time of an image in seconds."""
        return self.image_tile_s * size[0] * size[1] / TILE**2 + steps * self.step(size)


@functools.cache
def measured_work() -> Work:
    """Return the work of the generator, measured on this machine.

    Each part is timed several times and the shortest counts, as other programs only add.
    """
    generator = Digits()
    sides, seconds = (SHEET // 4, SHEET), []
    starts: list[float] = []
    for side in sides:
        times = []
        for _ in range(_REPEATS):
            began = time.perf_counter()
            steps = generator.estimates("0", (side, side), 3)
            image, second = next(steps), time.perf_counter()
            next(steps)
            third = time.perf_counter()
            png.encode(image)
            starts.append(second - began - (third - second) + time.perf_counter() - third)
            times.append(third - second)
        seconds.append(min(times))
    small, large = seconds
    each = max(1e-9, (large - small) / (SHEET_TILES * 15 / 16))
    image_s = max(0.0, min(starts[_REPEATS:]))
    return Work(image_s / SHEET_TILES, max(0.0, small - each * SHEET_TILES / 16), each)


class DigitsEngine:
    """Makes sheets of digits, whose level is a number of denoising steps."""

    def __init__(self, table: BackendTable) -> None:
        self._table, self._generator = table, Digits()
        if table.step_ms is None:
            self._work = measured_work()
        else:
            self._work = Work(0.0, 0.0, 1e-3 * table.step_ms / SHEET_TILES)

    def steps(self, size: tuple[int, int], level: int) -> int:
        """Return the number of denoising steps."""
        return self._table.steps[level]

    def seconds(self, size: tuple[int, int], level: int, step: int) -> float:
        """Return the time until a step is done; see :class:`~.engine.Engine`."""
        return self._work.image(size, step)

    def images(self, job: Job, number: int) -> Iterator[np.ndarray]:
        """Return the estimates ``[height, width]`` uint8; see :class:`~.engine.Engine`."""
        seed = (seed_of(job.prompt, job.seed) + number) % 2**64
        edited = _edited(job) if job.sources else None
        steps = self.steps(job.size, job.level)
        return self._generator.estimates(job.prompt, job.size, steps, seed, edited)

    def file(self, image: np.ndarray, last: bool) -> bytes:
        """Return the PNG file of an estimate."""
        return png.encode(image)


def _edited(job: Job) -> np.ndarray:
    """Return the image to edit ``[height, width]`` uint8.

    Raises:
        BackendError: it is not one that this generator could have made; the request is at fault.
    """
    width, height = job.size
    try:
        image = png.decode(job.sources[0])
        if image.ndim != 2:
            raise ValueError("must have 8 bits of grey")
    except (ValueError, struct.error, zlib.error) as error:
        message = f"image must be a grey PNG file without filters: {error}"
        raise BackendError(message, transport=False, status=400) from error
    if image.shape != (height, width):
        message = f"size must be that of the image, {image.shape[1]}x{image.shape[0]}"
        raise BackendError(f"{message}; got {width}x{height}", transport=False, status=400)
    return image


__all__ = ["DigitsEngine", "Work", "measured_work"]
