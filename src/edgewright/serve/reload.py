"""Take up a new bundle while the service runs: on SIGHUP, or when the file changes.

The new bundle is loaded and checked against its own parity record beside the running one. Only then
it takes over, in one assignment, so every answer comes from one bundle or the other. A bundle that
does not pass changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from edgewright.core.errors import EdgewrightError, InputError
from edgewright.serve.counters import Counters
from edgewright.serve.settings import Settings

if TYPE_CHECKING:
    from edgewright.serve.decider import Decider, Serving

Stamp = tuple[int, int, int] | None

NO_SIGNALS = (ValueError, RuntimeError, NotImplementedError, AttributeError)
"""What a loop raises where signals cannot be had: in a thread that is not the main one, in a loop
that does not know them, on a system without SIGHUP. The file is watched there all the same."""


class Reloader:
    """Watches the file of the bundle.

    Attributes:
        problem: why the last bundle was not taken up; empty when it was.
    """

    def __init__(
        self, decider: Decider, settings: Settings, counters: Counters, tell: Callable[[str], None]
    ) -> None:
        self.decider, self.settings, self.counters, self.tell = decider, settings, counters, tell
        self.problem = ""
        self._seen = self._stamp()
        self._busy = asyncio.Lock()

    async def reload(self) -> bool:
        """Read the bundle again and let it take over; return whether it decides now."""
        async with self._busy:
            self._seen = self._stamp()
            running = self.decider.serving
            try:
                fresh = await asyncio.to_thread(self._load)
                if not running.bundle.interface.same_contract(fresh.bundle.interface):
                    problem = "the new bundle takes or gives other fields than the running one"
                    hint = "start another service for it"
                    raise InputError(problem, where=str(self.settings.bundle), hint=hint)
            except (EdgewrightError, OSError) as error:
                self.problem = str(error)
                self.counters.reloads["refused"] += 1
                self.tell(f"the bundle was not taken up, {running.bundle.version} stays: {error}")
                return False
            self.problem = ""
            self.decider.serving = fresh
            self.counters.reloads["taken"] += 1
            self.tell(f"{fresh.bundle.version} decides now; before, {running.bundle.version}")
            return True

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Reload on SIGHUP and on a changed file while the body runs."""
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[object]] = set()

        def start() -> None:
            task: asyncio.Task[object] = loop.create_task(self.reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        with contextlib.suppress(*NO_SIGNALS):
            loop.add_signal_handler(signal.SIGHUP, start)
        if self.settings.watch_s > 0:
            tasks.add(loop.create_task(self._watch()))
        try:
            yield
        finally:
            with contextlib.suppress(*NO_SIGNALS):
                loop.remove_signal_handler(signal.SIGHUP)
            for task in [*tasks]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.settings.watch_s)
            stamp = self._stamp()
            if stamp is not None and stamp != self._seen:
                await self.reload()

    def _load(self) -> Serving:
        from edgewright.serve.decider import prepare

        return prepare(self.settings)

    def _stamp(self) -> Stamp:
        try:
            facts = self.settings.bundle.stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_size, facts.st_ino
