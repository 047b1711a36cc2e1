"""The files of a study's jobs, and running one job among them.

    results/<key>-<hash>.npz   the result of a job, written when the job ends
    work/<key>-<hash>/         what an unfinished job resumes from, e.g. checkpoints, deleted when
                               it ends unless another job of the plan reads it: replays are large

The hash covers all settings of a job, so that two plans share a folder without mixing results.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgewright.core.sealed import load_arrays, save_arrays
from edgewright.studies.job import Job, JobContext, JobResult, fingerprints


@dataclasses.dataclass(frozen=True)
class Workspace:
    """The files of all jobs in the folder of a study. Workers receive it pickled.

    Attributes:
        results: result file of every job, by key.
        folders: folder of every job, by key.
        data: folder of recordings, or None.
        short: whether the jobs take seconds, so that workers compile for a short use.
        read: keys of the jobs whose folder another job reads.
    """

    results: dict[str, Path]
    folders: dict[str, Path]
    data: str | None = None
    short: bool = False
    read: frozenset[str] = frozenset()

    def load(self, key: str) -> JobResult:
        """Return the stored result of a job."""
        return JobResult(*load_arrays(self.results[key]))

    def run(self, job: Job, on_progress: Callable[[float], None]) -> None:
        """Run one job in this process and store its result."""
        started = time.perf_counter()
        context = JobContext(
            folder=self.folders[job.key],
            data=self.data,
            results={key: self.load(key) for key in job.needs},
            folders={key: self.folders[key] for key in job.needs},
            on_progress=on_progress,
        )
        result = job.run(context)
        facts = {**result.facts, "seconds": round(time.perf_counter() - started, 3)}
        save_arrays(self.results[job.key], result.arrays, facts)
        if job.key not in self.read:
            shutil.rmtree(self.folders[job.key], ignore_errors=True)


def workspace(
    jobs: Sequence[Job], out: Path, data: str | None = None, *, short: bool = False
) -> Workspace:
    """Return the files of ``jobs`` in the folder ``out``."""
    names = {key: f"{key}-{text}" for key, text in fingerprints(jobs).items()}
    return Workspace(
        {key: out / "results" / f"{name}.npz" for key, name in names.items()},
        {key: out / "work" / name for key, name in names.items()},
        data,
        short,
        frozenset(key for job in jobs if job.reads_folders for key in job.needs),
    )
