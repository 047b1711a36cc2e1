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

START_S, CHECK_S = 120.0, 120.0
AGAIN_S, LONGEST_S = 1.0, 30.0
"""A worker that ended by itself is started again after a second, then after twice as long."""

TICK_S = 0.2
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
        environ = {k: v for k, v in os.environ.items() if not k.endswith("_WORKERS")}
        environ |= {HANDED: handed, "NOTIFY_SOCKET": str(path)}
        self.ready, self.again_s = False, 0.0
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
    """

    def __init__(
        self, workers: Sequence[Worker], check: Sequence[str], emit: Callable[[str], None]
    ) -> None:
        self._workers, self._check, self._emit = workers, check, emit
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
        if not self._until(self._all_ready, START_S):
            code = max((one.code or 0 for one in self._processes), default=0)
            return max(self._stop(), code, 0 if self._stopping else 1)
        self._emit(title)
        notify(f"{READY}\nSTATUS={title}")
        while not self._stopping:
            self._wait()
            self._handle()
            self._revive()
        return self._stop()

    def _all_ready(self) -> bool:
        return all(one.ready for one in self._processes)

    def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true; False where a worker ended, or a signal to stop came."""
        end = time.monotonic() + seconds
        while not true():
            self._wait()
            self._handle()
            ended = any(one.code is not None and not one.ready for one in self._processes)
            if ended or self._stopping or time.monotonic() > end:
                return False
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
        try:
            done = subprocess.run(self._check, capture_output=True, text=True, timeout=CHECK_S)
            why = (done.stderr or done.stdout).strip()[-500:] if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
        if why:
            self._emit(f"the upgrade was refused, the workers stay: {why}")
            return
        for one in self._processes:
            one.send(signal.SIGTERM)
            if one.process is not None:
                one.process.wait()
            one.start()
            if not self._until(lambda one=one: one.ready, START_S):
                self._emit(f"worker {one.number} does not answer after the upgrade")
                return
        self._emit(f"{len(self._processes)} workers run the program as it is now")

    def _stop(self) -> int:
        """Stop all workers in good order; a second signal is passed on."""
        notify(STOPPING)
        running = [one for one in self._processes if one.process and one.code is None]
        for one in running:
            one.send(signal.SIGTERM)
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
