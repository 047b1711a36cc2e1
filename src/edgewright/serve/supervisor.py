"""Run one or several worker processes on sockets that outlive them.

All workers of a service accept from one listening socket. Where the program was upgraded, SIGUSR2
starts it anew worker by worker: connections wait in the queue of the socket, and none is refused.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from edgewright.serve.notify import READY, STOPPING, notify
from edgewright.serve.sockets import HANDED

START_S, CHECK_S, STOP_S = 120.0, 120.0, 60.0
AGAIN_S, LONGEST_S = 1.0, 30.0
"""A worker that ended by itself is started again after a second, then after twice as long."""

TICK_S = 0.2
OF_THE_COMMAND = ("EDGEWRIGHT_SERVE_WORKERS", "EDGEWRIGHT_GATEWAY_WORKERS")
"""Variables that ask for workers, which a worker itself must not see."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)


@dataclasses.dataclass(frozen=True)
class Worker:
    """One process of a service.

    Attributes:
        command: which runs it.
        sockets: that it is handed, by ``http`` and ``probes``.
    """

    command: Sequence[str]
    sockets: Mapping[str, socket.socket]


class _Process:
    """A worker with the process that runs it now."""

    def __init__(self, worker: Worker, folder: Path, number: int) -> None:
        self.worker, self.number, self._folder = worker, number, folder
        self.process: subprocess.Popen[bytes] | None = None
        self.ready, self.wait_s, self.again_s = False, AGAIN_S, 0.0
        self._asked = False  # to stop: a second signal would cut the answers short
        self._notified: socket.socket | None = None

    def start(self) -> None:
        """Run the command, with the sockets and an address to say that it is ready."""
        self.close()
        path = self._folder / f"{self.number}"
        path.unlink(missing_ok=True)
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(path))
        self._notified.setblocking(False)
        numbers = {name: one.fileno() for name, one in self.worker.sockets.items()}
        handed = ",".join(f"{name}={number}" for name, number in numbers.items())
        environ = {k: v for k, v in os.environ.items() if k not in OF_THE_COMMAND}
        environ |= {HANDED: handed, "NOTIFY_SOCKET": str(path)}
        self.ready, self.again_s, self._asked = False, 0.0, False
        self.process = subprocess.Popen(
            self.worker.command,
            env=environ,
            pass_fds=[*numbers.values()],
            process_group=0,  # a terminal's interrupt comes here, and is passed on in good order
        )

    def look(self) -> None:
        """Note whether it said that it is ready."""
        with contextlib.suppress(BlockingIOError):
            while self._notified is not None and (state := self._notified.recv(4096)):
                if READY.encode() in state.splitlines():
                    self.ready, self.wait_s = True, AGAIN_S

    @property
    def code(self) -> int | None:
        """Return the exit code; None while it runs."""
        return None if self.process is None else self.process.poll()

    def send(self, number: int) -> None:
        """Send a signal, where it runs."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def stop(self) -> None:
        """Ask it to stop, once."""
        if not self._asked:
            self._asked = True
            self.send(signal.SIGTERM)

    def close(self) -> None:
        """Release the socket of the notification."""
        if self._notified is not None:
            self._notified.close()


class Supervisor:
    """Starts workers, starts them again, and stops them in good order.

    Args:
        workers: at least one.
        check: a command whose exit code says whether the program and its files are fit to run; it
            is asked before an upgrade.
        emit: reports something to whoever started the service.
        stop_s: seconds that a worker may take to stop in an upgrade, before it is killed.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        check: Sequence[str],
        emit: Callable[[str], None],
        stop_s: float = STOP_S,
    ) -> None:
        self._workers, self._check, self._emit, self._stop_s = workers, check, emit, stop_s
        self._came: deque[int] = deque()
        self._stopping = self._upgrading = False
        self._processes: list[_Process] = []

    def run(self, title: str) -> int:
        """Run until a signal to stop; return the highest exit code of the workers.

        Args:
            title: what is said when all workers answer.
        """
        with tempfile.TemporaryDirectory(prefix="edgewright-") as folder, self._signals():
            path = Path(folder)
            self._processes = [_Process(one, path, n) for n, one in enumerate(self._workers)]
            try:
                return self._run(title)
            finally:
                for one in self._processes:
                    one.send(signal.SIGKILL)  # none is left, unless something here failed
                    one.close()

    def _run(self, title: str) -> int:
        for one in self._processes:
            one.start()
        if not self._until_ready(self._processes):
            code = max((one.code or 0 for one in self._processes), default=0)
            return max(self._stop(), code, 0 if self._stopping else 1)
        self._emit(title)
        notify(f"{READY}\nSTATUS={title}")
        while not self._stopping:
            self._wait()
            self._handle()
            self._revive()
        return self._stop()

    def _until_ready(self, processes: Sequence[_Process]) -> bool:
        """Wait until workers are ready; False where one ended, or a signal to stop came."""

        def over() -> bool:
            ready = [one.ready for one in processes]
            return all(ready) or any(one.code is not None and not one.ready for one in processes)

        return self._until(over, START_S) and all(one.ready for one in processes)

    def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true; False where it took too long, or a signal to stop came."""
        end = time.monotonic() + seconds
        while not true():
            if self._stopping or time.monotonic() > end:
                return False
            self._wait()
            self._handle()
        return True

    def _wait(self) -> None:
        """Wait a moment, or until a signal comes, and hear the workers."""
        if not self._came:
            select.select([self._woken], [], [], TICK_S)
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(64)
        for one in self._processes:
            one.look()

    def _handle(self) -> None:
        """Do what the signals that came ask for."""
        while self._came and not self._stopping:
            number = self._came.popleft()
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stopping = True
            elif number == signal.SIGHUP:
                for one in self._processes:
                    one.send(number)
            elif not self._upgrading:
                self._upgrading = True
                self._upgrade()
                self._upgrading = False

    def _revive(self) -> None:
        """Start workers again that ended by themselves, later each time."""
        now = time.monotonic()
        for one in self._processes:
            if one.code is None or self._stopping:
                continue
            if one.again_s == 0.0:
                self._emit(f"worker {one.number} ended with {one.code}; it starts again")
                one.again_s, one.wait_s = now + one.wait_s, min(2.0 * one.wait_s, LONGEST_S)
            elif now >= one.again_s:
                one.start()

    def _upgrade(self) -> None:
        """Replace the workers one by one by the program as it is on the disk now."""
        why = self._checked()
        if why and not self._stopping:
            self._emit(f"the upgrade was refused, the workers stay: {why}")
        if why or self._stopping:
            return
        for one in self._processes:
            self._end(one)
            if self._stopping:
                return
            one.start()
            if not self._until_ready([one]):
                if not self._stopping:
                    self._emit(f"worker {one.number} does not answer after the upgrade")
                return
        self._emit(f"{len(self._processes)} workers run the program as it is now")

    def _checked(self) -> str:
        """Return why the program is not fit to run; empty where it is."""
        with tempfile.TemporaryFile() as output:
            try:
                check = subprocess.Popen(self._check, stdout=output, stderr=output)
            except OSError as error:
                return str(error)
            try:
                if not self._until(lambda: check.poll() is not None, CHECK_S):
                    return f"the check took longer than {CHECK_S:g} s"
            finally:
                check.kill()  # does nothing to one that ended
                code = check.wait()
            output.seek(0)
            text = output.read().decode(errors="replace").strip()[-500:]
        return (text or f"the check ended with {code}") if code else ""

    def _end(self, one: _Process) -> None:
        """Stop a worker in good order, or kill it where that takes too long.

        It goes on for now where a signal to stop the service came.
        """
        one.stop()
        ended = self._until(lambda: one.code is not None, self._stop_s)
        if ended or self._stopping or one.process is None:
            return
        self._emit(f"worker {one.number} did not stop within {self._stop_s:g} s and is killed")
        one.send(signal.SIGKILL)
        one.process.wait()

    def _stop(self) -> int:
        """Stop all workers in good order; a second signal is passed on."""
        notify(STOPPING)
        running = [one for one in self._processes if one.process and one.code is None]
        for one in running:
            one.stop()
        while any(one.code is None for one in running):
            self._wait()
            while self._came:
                number = self._came.popleft()
                for one in running:
                    if number in (signal.SIGTERM, signal.SIGINT):
                        one.send(number)
        codes = [abs(one.code or 0) for one in running]
        return max((one for one in codes if one != signal.SIGTERM), default=0)  # it was starting

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Note signals instead of ending at them."""
        self._woken, waking = socket.socketpair()
        for one in (self._woken, waking):
            one.setblocking(False)
        before = {number: signal.getsignal(number) for number in SIGNALS}
        awake = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda number, frame: self._came.append(number))
        try:
            yield
        finally:
            signal.set_wakeup_fd(awake)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._woken.close()
            waking.close()
