"""Run the jobs of a study: over processes, resumable after a kill at any moment.

    results/<key>-<hash>.npz   what a job came to, written when it is done
    work/<key>-<hash>/         what lets an unfinished job go on, e.g. a training's checkpoints

The hash is of all that was asked, so another plan in the same folder neither disturbs nor is
mistaken for this one. A job that is there is not done again.

Workers are spawned, never forked, and each has cores of its own: two programs do not fight for one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from edgewright.core.compilation import keep_compilations
from edgewright.core.errors import CheckFailed, EdgewrightError, InputError
from edgewright.core.machine import cores
from edgewright.studies.study import Job, JobContext, JobResult, Plan, Study, Table, fingerprints
from edgewright.systems.plugins import load_plugins
from edgewright.training import store

SECONDS_TO_STOP = 20.0
"""How long a worker may take to save its work when it is told to stop."""

MAX_DEATHS = 3
"""A job whose worker dies this often is given up."""

SECONDS_BETWEEN_WORDS = 0.5

Progress = Callable[[float, str], None]
"""Called with (share of the whole work that is done, what is going on)."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A job with its places in the folder of a study."""

    job: Job
    result: Path
    folder: Path


@dataclasses.dataclass(frozen=True)
class Ground:
    """What workers need to know besides their job."""

    data: str | None
    results: dict[str, Path]
    folders: dict[str, Path]
    short: bool = False


def places(jobs: Sequence[Job], out: Path, data: str | None) -> dict[str, Task]:
    """Return every job with its places."""
    marks = fingerprints(jobs, data)
    return {
        job.key: Task(
            job,
            out / "results" / f"{job.key}-{marks[job.key]}.npz",
            out / "work" / f"{job.key}-{marks[job.key]}",
        )
        for job in jobs
    }


def run_jobs(
    jobs: Sequence[Job],
    out: Path,
    *,
    data: str | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    short: bool = False,
) -> dict[str, JobResult]:
    """Do what is not done yet and return the results of all jobs by key.

    Args:
        processes: how many; one for each core if absent; 0 does everything in this process.
        short: the jobs take seconds, so their processes compile for a short use.

    Raises:
        CheckFailed: jobs failed; the results of the others are kept.
        InputError: the folder is in use, or a job refuses its input.
    """
    tasks = places(jobs, out, data)
    with store.locked(out):
        todo = [task for task in tasks.values() if not task.result.exists()]
        if todo:
            ground = Ground(
                data,
                {key: task.result for key, task in tasks.items()},
                {key: task.folder for key, task in tasks.items()},
                short,
            )
            count = min(cores() if processes is None else processes, len(todo))
            crew = _Crew(todo, ground, sum(job.cost for job in jobs), progress)
            crew.work(count)
    return {key: _load(task.result) for key, task in tasks.items()}


def run_study(
    study: Study,
    plan: Plan,
    out: Path,
    *,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Table:
    """Do what is missing of a study and return the table of all results."""
    found = run_jobs(
        study.jobs(plan),
        out,
        data=plan.data,
        processes=processes,
        progress=progress,
        short=plan.quick,
    )
    return Table(found, study.axes, plan)


def do(job: Job, ground: Ground, on_progress: Callable[[float], None]) -> None:
    """Do one job in this process and write its result."""
    started = time.perf_counter()
    desk = JobContext(
        folder=ground.folders[job.key],
        data=ground.data,
        found={key: _load(ground.results[key]) for key in job.needs},
        folders={key: ground.folders[key] for key in job.needs},
        on_progress=on_progress,
    )
    found = job.run(desk)
    facts = {**found.facts, "seconds": round(time.perf_counter() - started, 3)}
    store.save_arrays(ground.results[job.key], found.arrays, facts)


def _load(path: Path) -> JobResult:
    return JobResult(*store.load_arrays(path))


class _Crew:
    """The workers, and who does what."""

    def __init__(
        self, todo: Sequence[Task], ground: Ground, total: float, progress: Progress | None
    ) -> None:
        self.todo = {task.job.key: task for task in todo}
        self.waiting = dict(self.todo)
        self.open = set(self.todo)
        self.ground, self.progress = ground, progress
        self.total = total
        self.finished = total - sum(task.job.cost for task in todo)
        self.shares: dict[str, float] = {}
        self.failed: dict[str, str] = {}
        self.refused: EdgewrightError | None = None
        self.deaths: dict[str, int] = {}

    def work(self, count: int) -> None:
        if count == 0:
            self._alone()
        else:
            self._together(count)
        if self.failed:
            self._report_failures()

    def _alone(self) -> None:
        while (key := self._next(None)) is not None:
            job = self.todo[key].job
            try:
                do(job, self.ground, lambda share, key=key: self._told(key, share))
            except Exception as error:
                self._lost(key, _said(error), error)
            else:
                self._done(key)

    def _together(self, count: int) -> None:
        workers = [_Worker(n, count, self.ground) for n in range(count)]
        try:
            while True:
                for place, worker in enumerate(workers):
                    if worker.key is None and (key := self._next(worker.program)) is not None:
                        if not worker.process.is_alive():
                            worker = workers[place] = _Worker(place, count, self.ground)
                        worker.give(self.todo[key].job)
                busy = [worker for worker in workers if worker.key is not None]
                if not busy:
                    return
                for ready in wait([w.pipe for w in busy] + [w.process.sentinel for w in busy]):
                    worker = next(w for w in busy if ready in (w.pipe, w.process.sentinel))
                    if worker.key is not None:
                        self._hear(worker)
        finally:
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.gone()

    def _hear(self, worker: _Worker) -> None:
        key = worker.key
        assert key is not None
        try:
            word, content = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            worker.key = None
            self._died(key, worker.process.exitcode)
            return
        if word == "share":
            self._told(key, content)
            return
        worker.key = None
        if word == "done":
            self._done(key)
        else:
            self._lost(key, *content)

    def _next(self, program: str | None) -> str | None:
        """Take the next job whose needs are met: of the same program, else the longest."""
        ready = [t.job for t in self.waiting.values() if not self.open.intersection(t.job.needs)]
        if not ready:
            return None
        groups: dict[str, float] = {}
        for job in ready:
            groups[job.program] = groups.get(job.program, 0.0) + job.cost
        best = max(ready, key=lambda j: (j.program == program, groups[j.program], j.cost))
        del self.waiting[best.key]
        self._say(best.key)
        return best.key

    def _done(self, key: str) -> None:
        self.finished += self.todo[key].job.cost
        self.shares.pop(key, None)
        self.open.discard(key)
        self._say(key)

    def _told(self, key: str, share: float) -> None:
        self.shares[key] = min(share, 1.0)
        self._say(key)

    def _died(self, key: str, code: int | None) -> None:
        self.shares.pop(key, None)
        self.deaths[key] = self.deaths.get(key, 0) + 1
        if self.deaths[key] < MAX_DEATHS:
            self.waiting[key] = self.todo[key]  # it goes on where it was
        else:
            self.failed[key] = f"its process died {MAX_DEATHS} times, last with code {code}"

    def _lost(self, key: str, text: str, error: Exception | None) -> None:
        self.shares.pop(key, None)
        self.failed[key] = text
        if isinstance(error, EdgewrightError) and self.refused is None:
            self.refused = error

    def _say(self, key: str) -> None:
        if self.progress:
            half = sum(share * self.todo[k].job.cost for k, share in self.shares.items())
            self.progress(min((self.finished + half) / self.total, 1.0), key)

    def _report_failures(self) -> None:
        if isinstance(self.refused, InputError) and len(self.failed) == 1:
            raise self.refused
        stuck = [key for key in self.waiting if key not in self.failed]
        lines = [f"{key}: {text}" for key, text in self.failed.items()]
        raise CheckFailed(
            f"{len(self.failed)} of {len(self.todo)} jobs failed"
            + (f" and {len(stuck)} wait for them" if stuck else "")
            + "; the others are kept. "
            + "; ".join(lines[:3])
            + ("; ..." if len(lines) > 3 else "")
            + "\nhint: the same command does only what is missing"
        )


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, number: int, count: int, ground: Ground) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, ground, number, count)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.key: str | None = None
        self.program: str | None = None

    def give(self, job: Job) -> None:
        self.key, self.program = job.key, job.program
        with contextlib.suppress(OSError):  # a dead worker is noticed when it is heard
            self.pipe.send(job)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        if self.key is not None:
            self.process.terminate()

    def gone(self) -> None:
        self.process.join(SECONDS_TO_STOP)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


def _serve(pipe: Connection, ground: Ground, number: int, count: int) -> None:
    """Do jobs until told to stop. A worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_follow_parent, daemon=True).start()
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(mine[number % len(mine) :: count]))
    keep_compilations(ground.short)
    load_plugins()  # before a job of theirs is unpickled
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while (job := pipe.recv()) is not None:
            pipe.send(_outcome(job, ground, _Teller(pipe)))


def _outcome(job: Job, ground: Ground, on_progress: Callable[[float], None]) -> tuple[str, Any]:
    try:
        do(job, ground, on_progress)
    except Exception as error:
        shown = error if isinstance(error, EdgewrightError) else None
        return "failed", (_said(error), _portable(shown))
    return "done", None


def _portable(error: EdgewrightError | None) -> EdgewrightError | None:
    """Return an error that survives the way to another process: its arguments by name do not."""
    return InputError(str(error)) if isinstance(error, InputError) else None


def _said(error: Exception) -> str:
    if isinstance(error, EdgewrightError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


class _Teller:
    """Tells the parent how far a job is, not too often."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.last, self.lock = pipe, 0.0, threading.Lock()

    def __call__(self, share: float) -> None:
        with self.lock:
            now = time.perf_counter()
            if now - self.last > SECONDS_BETWEEN_WORDS:
                self.last = now
                self.pipe.send(("share", share))


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _follow_parent() -> None:
    """End with the parent, however it ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
