"""Take up a new bundle while the service runs: on SIGHUP, or when the file changes.

The new bundle is loaded and checked against its own parity record beside the running one. Only then
it takes over, in one assignment, so every answer comes from one bundle or the other. A bundle that
does not pass changes nothing.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import functools
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.core.errors import InputError
from edgewright.serve.counters import Counters
from edgewright.serve.settings import Settings

if TYPE_CHECKING:
    from edgewright.serve.decider import ActivePolicy, Decider

Stamp = tuple[int, int, int] | None


class Hangups:
    """Takes SIGHUP from early to late, so that it kills nobody who still loads or stops.

    Attributes:
        then: what to do at one; until there is something, one that came is kept.
    """

    def __init__(self) -> None:
        self.then: Callable[[], object] | None = None
        self.missed = False

    def catch(self) -> None:
        """Take the signal from now on, where it can be had: in the main thread, with a SIGHUP."""
        with contextlib.suppress(ValueError, AttributeError):
            signal.signal(signal.SIGHUP, self._came)

    def ignore(self) -> None:
        """Let the signal do nothing any more, not even while Python ends."""
        with contextlib.suppress(ValueError, AttributeError):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _came(self, number: int, frame: object) -> None:
        if self.then is None:
            self.missed = True
        else:
            self.then()


class Watcher(abc.ABC):
    """Calls :meth:`reload` at SIGHUP and when one of its files changes.

    Attributes:
        hangups: signals to reload.
        message: why what was read last was not taken up; empty when it was.
    """

    def __init__(self, watch_s: float) -> None:
        self.watch_s, self.message, self.hangups = watch_s, "", Hangups()
        self._busy = asyncio.Lock()
        self._seen = self._stamps()

    @abc.abstractmethod
    def files(self) -> list[Path]:
        """Return the files to watch; the first one is waited for where it is missing."""

    @abc.abstractmethod
    async def _take(self) -> bool:
        """Read the files again and let them take over; return whether they did."""

    async def reload(self) -> bool:
        """Read the files again, one reload at a time; return whether they took over."""
        async with self._busy:
            self._seen = self._stamps()
            return await self._take()

    async def exclusively(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that a reload would undo, or be undone by, while there is none."""
        async with self._busy:
            await work

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Reload on SIGHUP and on a changed file while the body runs."""
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[object]] = set()

        def start() -> None:
            task: asyncio.Task[object] = loop.create_task(self.reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        self.hangups.then = functools.partial(loop.call_soon_threadsafe, start)
        if self.hangups.missed:
            start()
        if self.watch_s > 0:
            tasks.add(loop.create_task(self._watch()))
        try:
            yield
        finally:
            self.hangups.then = lambda: None
            for task in [*tasks]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.watch_s)
            stamp = self._stamps()
            if stamp[0] is not None and stamp != self._seen:  # a rename may be under way
                await self.reload()

    def _stamps(self) -> list[Stamp]:
        return [_stamp(file) for file in self.files()]


class Reloader(Watcher):
    """Watches the file of the bundle, and that of the fallback if it is a bundle too."""

    def __init__(
        self, decider: Decider, settings: Settings, counters: Counters, emit: Callable[[str], None]
    ) -> None:
        self.decider, self.settings, self.counters, self.emit = decider, settings, counters, emit
        super().__init__(settings.watch_s)

    def files(self) -> list[Path]:
        """Return the file of the bundle, and that of the fallback."""
        beside = self.decider.serving.fallback_file
        return [self.settings.bundle, *([Path(beside)] if beside else [])]

    async def _take(self) -> bool:
        """Read the bundle again and let it take over; return whether it decides now."""
        running = self.decider.serving
        try:
            fresh = await asyncio.to_thread(self._load)
            if not running.bundle.interface.same_contract(fresh.bundle.interface):
                message = "the new bundle takes or gives other fields than the running one"
                hint = "start another service for it"
                raise InputError(message, where=str(self.settings.bundle), hint=hint)
        except Exception as error:  # whatever is wrong with a file, the next one may be good
            self.message = str(error) or repr(error)
            self.counters.reloads["refused"] += 1
            outcome = f"the bundle was not taken up, {running.bundle.version} stays"
            self.emit(f"{outcome}: {self.message}")
            return False
        self.message = ""
        self.decider.serving = fresh
        if self.decider.canary is not None and fresh.bundle.version != running.bundle.version:
            self.decider.canary.restart()
        self.counters.reloads["taken"] += 1
        self.emit(f"{fresh.bundle.version} decides now; before, {running.bundle.version}")
        if fresh.fallback_file and fresh.fallback_version != running.fallback_version:
            self.emit(f"the fallback is {fresh.fallback_name} ({fresh.fallback_version}) now")
        return True

    def _load(self) -> ActivePolicy:
        from edgewright.serve.decider import prepare

        return prepare(self.settings)


def _stamp(file: Path) -> Stamp:
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
