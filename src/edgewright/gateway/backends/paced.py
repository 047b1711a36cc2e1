"""Run the digits generator as a server with one queue and one running item, at a stated speed.

A speed below 1 is kept by sleeping after each step until the time that the step would take on such
a machine. The work and the images are real; only the processor is slower.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import struct
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import numpy as np

from edgewright.gateway import clock
from edgewright.gateway.backends import png
from edgewright.gateway.backends.digits import TILE, Digits, seed_of
from edgewright.gateway.config import SHEET
from edgewright.gateway.jobs import Accepted, BackendError, Event, Image, Job, Partial, Started
from edgewright.gateway.ledger import Item, Ledger
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


class PacedDigits:
    """The digits generator behind one back end."""

    def __init__(self, table: BackendTable) -> None:
        self.table, self._generator = table, Digits()
        if table.step_ms is None:
            self._work = measured_work()
        else:
            self._work = Work(0.0, 0.0, 1e-3 * table.step_ms / SHEET_TILES)
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"digits-{table.name}")

    def expected_s(self, size: tuple[int, int], count: int, level: int) -> float:
        """Return the predicted time of service."""
        return count * self._work.image(size, self.table.steps[level]) / self.table.speed

    async def run(self, job: Job, ledger: Ledger, item: Item) -> AsyncGenerator[Event, None]:
        """Yield what happens to a job; see :class:`~edgewright.gateway.jobs.Generator`."""
        yield Accepted()
        async with self._turn:
            began = clock.now()
            ledger.start(item)
            yield Started()
            partials = 0
            for number in range(job.count):
                async with aclosing(self._steps(job, (ledger, item), number, began)) as files:
                    async for last, file in files:
                        yield Image(file) if last else Partial(file, partials)
                        partials += not last
            job.service_s = clock.now() - began
            if self.table.speed < 1.0:
                expected = self.expected_s(job.size, job.count, job.level)
                job.lateness = job.service_s / expected

    async def _steps(
        self, job: Job, entry: tuple[Ledger, Item], number: int, began: float
    ) -> AsyncGenerator[tuple[bool, bytes], None]:
        """Yield the files of partial images and of the image; say whether it is the last."""
        ledger, item = entry
        steps = self.table.steps[job.level]
        shown = _partial_steps(steps, job.partials)
        seed = _image_seed(job, number)
        edited = self._edited(job) if job.sources else None
        estimates = self._generator.estimates(job.prompt, job.size, steps, seed, edited)
        before_s = number * self._work.image(job.size, steps)
        for step in range(1, steps + 1):
            last, file = step == steps, b""
            image = await self._in_thread(next, estimates)
            if last or step in shown:
                file = await self._in_thread(png.encode, image)
            if self.table.speed < 1.0:
                done_s = before_s + self._work.image(job.size, step)
                due = began + done_s / self.table.speed
                await clock.sleep_until(due)
            ledger.advance(item, (number * steps + step) / (job.count * steps))
            if file:
                yield last, file

    def _edited(self, job: Job) -> np.ndarray:
        """Return the image to edit.

        Raises:
            BackendError: it is not one that this generator could have made; the request is at
                fault.
        """
        width, height = job.size
        try:
            image = png.decode(job.sources[0])
        except (ValueError, struct.error, zlib.error) as error:
            message = f"image must be a grey PNG file without filters: {error}"
            raise BackendError(message, transport=False, status=400) from error
        if image.shape != (height, width):
            message = f"size must be that of the image, {image.shape[1]}x{image.shape[0]}"
            raise BackendError(f"{message}; got {width}x{height}", transport=False, status=400)
        return image

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, work, *arguments)
        except Exception as error:
            raise BackendError(f"{self.table.name} failed: {error}", transport=False) from error

    async def close(self) -> None:
        """Release the thread once its step is done."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _image_seed(job: Job, number: int) -> int:
    """Return the seed of one image of a job; the first has that of the request."""
    return (seed_of(job.prompt, job.seed) + number) % 2**64


def _partial_steps(steps: int, partials: int) -> list[int]:
    """Return the steps after which a partial image is shown, spread evenly before the last."""
    evenly = {round(steps * (n + 1) / (partials + 1)) for n in range(partials)}
    return sorted(step for step in evenly if 0 < step < steps)
