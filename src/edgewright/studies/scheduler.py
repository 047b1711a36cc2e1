"""Give the jobs of a study to worker processes, in an order that their needs allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgewright.core.errors import CheckFailed, EdgewrightError, InputError
from edgewright.core.stopping import saving_on_signals
from edgewright.studies.job import Job
from edgewright.studies.pool import Pool, error_text
from edgewright.studies.workspace import Workspace

MAX_DEATHS = 3
"""A job fails after its worker process has died this often."""

OnProgress = Callable[[float, str], None]
"""Called with the completed fraction of all jobs, 0 to 1, and the key of a running job."""


class Scheduler:
    """Runs the jobs that have no result yet, and counts what is done and what failed.

    Args:
        jobs: the jobs to run.
        files: files of these jobs, and of those that are done already.
        total_cost: cost of all jobs of the study, with those that are done already.
        on_progress: receives the progress, or None.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        files: Workspace,
        total_cost: float,
        on_progress: OnProgress | None,
    ) -> None:
        self.jobs = {job.key: job for job in jobs}
        self.waiting = dict(self.jobs)
        self.unfinished = set(self.jobs)
        self.files, self.on_progress = files, on_progress
        self.total_cost = total_cost
        self.finished_cost = total_cost - sum(job.cost for job in jobs)
        self.fractions: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        self.refusal: EdgewrightError | None = None
        self.deaths: dict[str, int] = {}

    def run(self, pool: Pool | None) -> None:
        """Run all jobs in the workers of a pool, or in this process without one.

        Raises:
            CheckFailed: jobs failed; the results of the others are stored.
            InputError: the one job that failed refuses its input.
            Stopped: a signal came; running jobs saved what they can resume from.
        """
        with saving_on_signals():
            if pool is None:
                self._run_here()
            else:
                self._run_in_workers(pool)
        if self.failures:
            self._raise_failures()

    def _run_here(self) -> None:
        while (job := self._next_job(None)) is not None:
            key = job.key
            try:
                self.files.run(job, lambda fraction, key=key: self._progressed(key, fraction))
            except Exception as error:
                refusal = error if isinstance(error, EdgewrightError) else None
                self._failed(key, error_text(error), refusal)
            else:
                self._finished(key)

    def _run_in_workers(self, pool: Pool) -> None:
        running: dict[int, str] = {}
        programs: dict[int, str] = {}
        try:
            while True:
                for n in list(pool.numbers):
                    if n not in running and (job := self._next_job(programs.get(n))) is not None:
                        if pool.start(n, job):
                            running[n], programs[n] = job.key, job.program
                        else:
                            self.waiting[job.key] = job
                if not running:
                    return
                for n, kind, content in pool.messages():
                    if n in running:
                        self._receive(running[n], kind, content)
                        if kind != "progress":
                            del running[n]
        finally:
            pool.close()

    def _receive(self, key: str, kind: str, content: Any) -> None:
        """Take in one message about a job."""
        if kind == "progress":
            self._progressed(key, content)
        elif kind == "done":
            self._finished(key)
        elif kind == "died":
            self._died(key, content)
        else:
            self._failed(key, *content)

    def _next_job(self, program: str | None) -> Job | None:
        """Take a job whose needs are met, of the same program if possible, else of the longest."""
        ready = [j for j in self.waiting.values() if not self.unfinished.intersection(j.needs)]
        if not ready:
            return None
        costs: dict[str, float] = {}
        for job in ready:
            costs[job.program] = costs.get(job.program, 0.0) + job.cost
        best = max(ready, key=lambda j: (j.program == program, costs[j.program], j.cost))
        del self.waiting[best.key]
        self._report(best.key)
        return best

    def _finished(self, key: str) -> None:
        self.finished_cost += self.jobs[key].cost
        self.fractions.pop(key, None)
        self.unfinished.discard(key)
        self._report(key)

    def _progressed(self, key: str, fraction: float) -> None:
        self.fractions[key] = min(fraction, 1.0)
        self._report(key)

    def _died(self, key: str, code: int | str | None) -> None:
        self.fractions.pop(key, None)
        self.deaths[key] = self.deaths.get(key, 0) + 1
        if self.deaths[key] < MAX_DEATHS:
            self.waiting[key] = self.jobs[key]  # the next worker resumes it
        else:
            self.failures[key] = f"its process died {MAX_DEATHS} times, last with code {code}"

    def _failed(self, key: str, text: str, refusal: EdgewrightError | None) -> None:
        self.fractions.pop(key, None)
        self.failures[key] = text
        self.refusal = self.refusal or refusal

    def _report(self, key: str) -> None:
        if self.on_progress:
            running = sum(part * self.jobs[k].cost for k, part in self.fractions.items())
            self.on_progress(min((self.finished_cost + running) / self.total_cost, 1.0), key)

    def _raise_failures(self) -> None:
        if isinstance(self.refusal, InputError) and len(self.failures) == 1:
            raise self.refusal
        stuck = [key for key in self.waiting if key not in self.failures]
        lines = [f"{key}: {text}" for key, text in self.failures.items()]
        raise CheckFailed(
            f"{len(self.failures)} of {len(self.jobs)} jobs failed"
            + (f" and {len(stuck)} wait for them" if stuck else "")
            + "; the results of the others are stored. "
            + "; ".join(lines[:3])
            + ("; ..." if len(lines) > 3 else "")
            + "\nhint: the same command runs only the jobs without a result"
        )
