"""Run the jobs of a study over processes. A killed run resumes; a finished job never runs again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgewright.core.errors import InputError
from edgewright.core.machine import cores
from edgewright.studies.job import Job, JobResult, Plan
from edgewright.studies.jobs import AXES
from edgewright.studies.pool import MakePool, Pool
from edgewright.studies.scheduler import OnProgress, Scheduler
from edgewright.studies.study import Study
from edgewright.studies.table import Table
from edgewright.studies.worker import ProcessPool
from edgewright.studies.workspace import Workspace, workspace
from edgewright.training import store


def run_jobs(
    jobs: Sequence[Job],
    out: Path,
    *,
    data: str | None = None,
    processes: int | MakePool | None = None,
    on_progress: OnProgress | None = None,
    short: bool = False,
) -> dict[str, JobResult]:
    """Run the jobs that have no result yet, and return the results of all jobs by key.

    Args:
        jobs: all jobs, with those that they need.
        out: folder of results and of unfinished work.
        data: folder of recordings, or None.
        processes: number of worker processes; None: one for each core; 0: run in this process; or
            what makes other workers, e.g. those of a cluster.
        on_progress: receives the completed fraction and the key of a running job.
        short: whether the jobs take seconds, so that workers compile for a short use.

    Raises:
        CheckFailed: jobs failed; the results of the others are stored.
        InputError: another process uses the folder, or a job refuses its input.
    """
    there, fresh = out, not out.exists()
    if callable(processes):  # workers of a cluster run in other folders
        there, data = out.resolve(), data and str(Path(data).resolve())
    files = workspace(jobs, there, data, short=short)
    try:
        with store.locked(out):
            missing = [job for job in jobs if not files.results[job.key].exists()]
            if missing:
                total_cost = sum(job.cost for job in jobs)
                scheduler = Scheduler(missing, files, total_cost, on_progress)
                _run(scheduler, len(missing), files, out, processes)
    except InputError:
        for folder in (out / "results", out) if fresh else ():
            with contextlib.suppress(OSError):  # it holds results already
                folder.rmdir()
        raise
    return {job.key: files.load(job.key) for job in jobs}


def _run(
    scheduler: Scheduler, most: int, files: Workspace, out: Path, processes: int | MakePool | None
) -> None:
    """Run what is missing in this process, or on as many workers as are wanted."""
    if processes == 0:
        scheduler.run(None)
        return
    (out / "results").mkdir(exist_ok=True)  # workers look whether they see it
    make = processes if callable(processes) else _processes(processes)
    with make(most, files) as workers:
        scheduler.run(workers)


def _processes(asked: int | None) -> MakePool:
    """Return what makes worker processes of this machine, one for each core if None is asked."""

    @contextlib.contextmanager
    def made(most: int, files: Workspace) -> Iterator[Pool]:
        yield ProcessPool(min(cores() if asked is None else asked, most), files)

    return made


def run_study(
    study: Study,
    plan: Plan,
    out: Path,
    *,
    processes: int | MakePool | None = None,
    on_progress: OnProgress | None = None,
) -> Table:
    """Run the missing jobs of a study and return the table of all results."""
    results = run_jobs(
        study.jobs(plan),
        out,
        data=plan.data,
        processes=processes,
        on_progress=on_progress,
        short=plan.quick,
    )
    return Table(results, {**AXES, **study.axes}, plan)
