"""Define the jobs of a study, with their context, their result and the hash of their request.

A study names its jobs; the runner (``studies/runner.py``) runs them over processes and keeps one
result file for each.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.core.version import __version__


@dataclasses.dataclass(frozen=True)
class Plan:
    """A plan, which sets how much of a study runs.

    Attributes:
        quick: whether the same claims are tested with fewer seeds, steps and jobs.
        seeds: number of seeds of every training that claims are measured on.
        steps: environment steps of the main trainings; other trainings scale with it.
        data: folder of recordings, or None.
    """

    quick: bool
    seeds: int
    steps: float
    data: str | None = None


@dataclasses.dataclass(frozen=True)
class JobResult:
    """The result of a job, with arrays by name and facts as plain data.

    An array's name is ``"group/name"``; the arrays of a group have the same axes (``Study.axes``),
    e.g. ``"episodes/reward"`` ``[seeds, episodes]``.
    """

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class JobContext:
    """The inputs of a job, given by the runner.

    Attributes:
        folder: folder of this job alone, where it saves what it needs to resume after a kill.
        data: folder of recordings, or None.
        results: results of the jobs that this job needs, by key.
        folders: folders of the jobs that this job needs, by key.
        on_progress: the job calls it now and then with the completed fraction, 0 to 1.
    """

    folder: Path
    data: str | None
    results: Mapping[str, JobResult]
    folders: Mapping[str, Path]
    on_progress: Callable[[float], None]


class Job(Protocol):
    """A piece of work with one result. Jobs are frozen and pickled to worker processes.

    ``run`` depends only on ``config()``, on the results of the needed jobs and on the recordings.
    It writes only inside ``context.folder``; the runner writes the result.
    """

    reads_folders: ClassVar[bool]
    """Whether it reads the folders of the needed jobs too, so that these must be kept."""

    @property
    def key(self) -> str:
        """Name of the job in the table; ``/`` separates its parts."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the jobs whose results this job reads."""
        ...

    @property
    def program(self) -> str:
        """Name of the compiled program; jobs that share it run in the same process."""
        ...

    @property
    def cost(self) -> float:
        """Estimated duration, in any unit that all jobs of a study share."""
        ...

    def config(self) -> dict[str, Any]:
        """Return all settings that decide the result, as plain data."""
        ...

    def run(self, context: JobContext) -> JobResult:
        """Run the job, or resume it where an earlier call stopped."""
        ...


def qualified_name(function: Callable[..., Any]) -> str:
    """Return the module and name of a function, joined by a dot."""
    return f"{function.__module__}.{function.__qualname__}"


@dataclasses.dataclass(frozen=True)
class FunctionJob:
    """A job that calls ``function(context, **arguments)``.

    Attributes:
        function: a function at the top level of a module, so that workers can import it.
        arguments: keyword arguments of ``function``, as plain data.
    """

    key: str
    function: Callable[..., JobResult]
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    needs: tuple[str, ...] = ()
    program: str = ""
    cost: float = 1.0
    reads_folders: ClassVar[bool] = True

    def config(self) -> dict[str, Any]:
        """Return the name of the function and its arguments."""
        return {"function": qualified_name(self.function), "arguments": self.arguments}

    def run(self, context: JobContext) -> JobResult:
        """Call the function."""
        return self.function(context, **self.arguments)


def fingerprints(jobs: Sequence[Job]) -> dict[str, str]:
    """Return a hash of each job's settings, of its needed jobs and of the version, by key.

    Raises:
        InputError: two jobs share a key, or a job needs an unknown job or itself.
    """
    by_key = {job.key: job for job in jobs}
    if len(by_key) < len(jobs):
        keys = [job.key for job in jobs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InputError(f"two jobs have the key '{twice}'", where="jobs", hint="rename one")
    hashes: dict[str, str] = {}

    def hash_of(key: str, above: tuple[str, ...]) -> str:
        if key in above:
            raise InputError(f"job '{key}' needs itself", where="jobs")
        if key not in by_key:
            where = f"job '{above[-1]}'"
            raise InputError(f"needs '{key}'", where=where, hint=nearest(key, by_key))
        if key not in hashes:
            job = by_key[key]
            needed = {name: hash_of(name, (*above, key)) for name in job.needs}
            content = {"config": job.config(), "needs": needed, "version": __version__}
            text = json.dumps(content, sort_keys=True, default=str)
            hashes[key] = hashlib.sha256(text.encode()).hexdigest()[:12]
        return hashes[key]

    return {key: hash_of(key, ()) for key in by_key}
