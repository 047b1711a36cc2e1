"""Worker processes that run the jobs of a study.

Workers are spawned, never forked. Each worker has its own cores, so that two compiled programs do
not compete for one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection, wait
from typing import Any

from edgewright.core.compilation import keep_compilations
from edgewright.studies.job import Job
from edgewright.studies.pool import Message, outcome_of
from edgewright.studies.workspace import Workspace
from edgewright.systems.plugins import load_plugins

SECONDS_TO_STOP = 20.0
"""Time that a worker may take to save its work after it is asked to stop [s]."""

SECONDS_BETWEEN_MESSAGES = 0.5


class Worker:
    """A worker process and the pipe to it, as the parent holds them."""

    def __init__(self, number: int, count: int, files: Workspace) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, child_pipe = context.Pipe()
        arguments = (child_pipe, files, number, count)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        child_pipe.close()
        self.key: str | None = None
        self.program: str | None = None

    def start(self, job: Job) -> None:
        """Send a job to the process."""
        self.key, self.program = job.key, job.program
        with contextlib.suppress(OSError):  # the parent notices a dead worker when it reads
            self.pipe.send(job)

    def receive(self) -> tuple[str, Any]:
        """Return one message, or that the process has died and with which code."""
        try:
            kind, content = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            kind, content = "died", self.process.exitcode
        if kind != "progress":
            self.key = None
        return kind, content

    def stop(self) -> None:
        """Ask the process to end; a running job saves what it can resume from."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        if self.key is not None:
            self.process.terminate()

    def join(self) -> None:
        """Wait until the process has ended, and kill it after :data:`SECONDS_TO_STOP`."""
        self.process.join(SECONDS_TO_STOP)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


class ProcessPool:
    """Worker processes of this machine.

    Args:
        count: number of processes.
        files: files of the jobs.
    """

    def __init__(self, count: int, files: Workspace) -> None:
        self.count, self.files = count, files
        self.numbers = range(count)
        self.workers = [Worker(n, count, files) for n in range(count)]

    def start(self, n: int, job: Job) -> bool:
        """Let worker ``n`` run a job; a new process takes over from a dead one."""
        if not self.workers[n].process.is_alive():
            self.workers[n] = Worker(n, self.count, self.files)
        self.workers[n].start(job)
        return True

    def messages(self) -> list[Message]:
        """Wait for messages of busy workers, and return one of each that has one."""
        busy = {n: worker for n, worker in enumerate(self.workers) if worker.key is not None}
        ready = set(
            wait([w.pipe for w in busy.values()] + [w.process.sentinel for w in busy.values()])
        )
        return [
            (n, *worker.receive())
            for n, worker in busy.items()
            if ready & {worker.pipe, worker.process.sentinel}
        ]

    def close(self) -> None:
        """End all processes; running jobs save what they can resume from."""
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            worker.join()


def _serve(pipe: Connection, files: Workspace, number: int, count: int) -> None:
    """Run jobs from the pipe until the parent sends None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_follow_parent, daemon=True).start()
    if hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(available[number % len(available) :: count]))
    keep_compilations(files.short)
    load_plugins()  # before a job of a plug-in is unpickled
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while (job := pipe.recv()) is not None:
            pipe.send(outcome_of(job, files, _ProgressSender(pipe)))


class _ProgressSender:
    """Sends the completed fraction of a job to the parent, at a limited rate."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.last, self.lock = pipe, 0.0, threading.Lock()

    def __call__(self, fraction: float) -> None:
        with self.lock:
            now = time.perf_counter()
            if now - self.last > SECONDS_BETWEEN_MESSAGES:
                self.last = now
                self.pipe.send(("progress", fraction))


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _follow_parent() -> None:
    """End this process as soon as the parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
