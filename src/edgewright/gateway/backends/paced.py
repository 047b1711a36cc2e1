"""Run an engine as a server with one queue and one running item, at a stated speed.

A speed below 1 is kept by sleeping after each step until the time that the step would take on such
a machine. The work and the images are real; only the processor is slower.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

from edgewright.gateway import clock
from edgewright.gateway.backends.engine import Engine
from edgewright.gateway.jobs import Accepted, BackendError, Event, Image, Job, Partial, Started
from edgewright.gateway.ledger import Item, Ledger
from edgewright.gateway.settings import BackendTable


class Paced:
    """An engine behind one back end."""

    def __init__(self, table: BackendTable, engine: Engine) -> None:
        self.table, self._engine = table, engine
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"{table.kind}-{table.name}")

    def expected_s(self, size: tuple[int, int], count: int, level: int) -> float:
        """Return the predicted time of service."""
        return count * self._image_s(size, level) / self.table.speed

    def _image_s(self, size: tuple[int, int], level: int) -> float:
        return self._engine.seconds(size, level, self._engine.steps(size, level))

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
        steps = self._engine.steps(job.size, job.level)
        shown = partial_steps(steps, job.partials)
        estimates = self._engine.images(job, number)
        before_s = number * self._image_s(job.size, job.level)
        for step in range(1, steps + 1):
            last, file = step == steps, b""
            image = await self._in_thread(next, estimates)
            if last or step in shown:
                file = await self._in_thread(self._engine.file, image, last)
            if self.table.speed < 1.0:
                done_s = before_s + self._engine.seconds(job.size, job.level, step)
                due = began + done_s / self.table.speed
                await clock.sleep_until(due)
            ledger.advance(item, (number * steps + step) / (job.count * steps))
            if file:
                yield last, file

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, work, *arguments)
        except BackendError:
            raise
        except Exception as error:
            raise BackendError(f"{self.table.name} failed: {error}", transport=False) from error

    async def close(self) -> None:
        """Release the thread once its step is done."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def partial_steps(steps: int, partials: int) -> list[int]:
    """Return the steps after which a partial image is shown, spread evenly before the last."""
    evenly = {round(steps * (n + 1) / (partials + 1)) for n in range(partials)}
    return sorted(step for step in evenly if 0 < step < steps)


__all__ = ["Paced", "partial_steps"]
