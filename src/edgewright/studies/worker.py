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
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from edgewright.core.compilation import keep_compilations
from edgewright.core.errors import EdgewrightError, InputError
from edgewright.studies.job import Job
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


def error_text(error: Exception) -> str:
    """Return the message of an error, with its type and line if the error is unexpected."""
    if isinstance(error, EdgewrightError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


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
            pipe.send(_run(job, files, _ProgressSender(pipe)))


def _run(job: Job, files: Workspace, on_progress: _ProgressSender) -> tuple[str, Any]:
    """Run a job and return the message for the parent: its kind and its content."""
    try:
        files.run(job, on_progress)
    except Exception as error:
        # Keyword arguments of an error do not survive pickling, so the parent gets a plain one.
        refusal = InputError(str(error)) if isinstance(error, InputError) else None
        return "failed", (error_text(error), refusal)
    return "done", None


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
