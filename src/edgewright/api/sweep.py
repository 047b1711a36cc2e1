"""Sweep over learners, settings and seeds into one tidy table and one figure; sweeps resume."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.api.problem import EdgeProblem, make
from edgewright.api.table import Table, to_pandas
from edgewright.core.errors import InputError
from edgewright.core.files import write_bytes
from edgewright.evaluation.statistics import mean_interval
from edgewright.scenarios.build import build, build_learner
from edgewright.studies.job import JobResult
from edgewright.studies.jobs import TrainingJob
from edgewright.studies.pool import MakePool
from edgewright.studies.runner import run_jobs
from edgewright.studies.scheduler import OnProgress
from edgewright.studies.setup import Setup

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class SweepTable:
    """One row for each learner and combination of settings, with 95 % intervals.

    Attributes:
        scenario: name of the scenario.
        rows: ``learner``, one entry for each key of the grid, ``seeds``, and ``reward`` per slot
            with ``reward_low`` and ``reward_high`` over seeds and episodes.
        curves: for each row the environment steps ``[k]`` and the evaluations ``[seeds, k]``.
    """

    scenario: str
    rows: list[dict[str, Any]]
    curves: list[tuple[np.ndarray, np.ndarray]]

    def to_pandas(self) -> Any:
        """Return the rows as a ``pandas.DataFrame``.

        Raises:
            InputError: pandas is not installed.
        """
        return to_pandas(self.rows)

    def to_csv(self) -> str:
        """Return the rows as CSV text with a heading."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def plot(self) -> Figure:
        """Return the learning curves of all rows: means over seeds with 95 % bands."""
        from edgewright.reporting.figures import Curve, learning_curve

        curves = [
            Curve(label(row), steps, values)
            for row, (steps, values) in zip(self.rows, self.curves, strict=True)
        ]
        return learning_curve(curves, ylabel="reward per slot")

    def save(self, folder: Path) -> None:
        """Write ``sweep.csv``, ``sweep.json`` and the figure ``curves.svg`` and ``.png``."""
        from edgewright.reporting.style import save

        write_bytes(folder / "sweep.csv", self.to_csv().encode())
        content = {"scenario": self.scenario, "rows": self.rows}
        write_bytes(folder / "sweep.json", (json.dumps(content, indent=2) + "\n").encode())
        save(self.plot(), folder, "curves")

    def _table(self) -> Table:
        shown = [(key, key.removeprefix("learner."), "") for key in _keys(self.rows)]
        columns = (
            *shown,
            ("seeds", "seeds", ""),
            ("reward", "reward/slot", "+.4f"),
            ("reward_low", "low", "+.4f"),
            ("reward_high", "high", "+.4f"),
        )
        return Table(f"{self.scenario}: sweep, 95 % intervals", self.rows, columns)

    def __repr__(self) -> str:
        """Return the table as text."""
        return repr(self._table())

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        return self._table()._repr_html_()


def sweep(
    problem: EdgeProblem | str,
    learners: Sequence[str],
    out: str | Path,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    seeds: int = 3,
    steps: float | None = None,
    processes: int | MakePool | None = None,
    on_progress: OnProgress | None = None,
) -> SweepTable:
    """Train every learner with every combination of settings and score it on the same episodes.

    Interrupted or killed, the same call does only what is missing.

    Args:
        problem: from :func:`edgewright.make`, or the name of a scenario.
        learners: names of :func:`edgewright.list_learners`.
        out: folder of the trainings, the table and the figure.
        grid: dotted keys and the values to try, e.g. ``{"learner.clip_eps": [0.1, 0.2]}``; any key
            of the scenario may be swept.
        seeds: of each training: 0, 1, ...
        steps: environment steps of each seed; as the scenario says if absent.
        processes: how many trainings at a time; one for each core if absent, 0 for this process.
            Or what makes other workers: ``edgewright.studies.ray_pool.ray_pool(address)``.
        on_progress: called with the share that is done and what is going on.

    Raises:
        InputError: an unknown learner, key or value, found before any training begins.
    """
    problem = make(problem) if isinstance(problem, str) else problem
    jobs, settings = [], []
    for learner, values in itertools.product(learners, itertools.product(*(grid or {}).values())):
        chosen = dict(zip(grid or {}, values, strict=True))
        setup = Setup(problem.origin, {**problem.overrides, **chosen})
        scenario = setup.load()
        budget = float(steps or scenario.training.steps)
        row = {"learner": learner, **chosen}
        key = re.sub(r"[^\w.=-]+", "_", label(row))
        job = TrainingJob(key, setup, learner, budget, seeds, recordings=problem.data)
        jobs.append(job)
        settings.append(row)
    if not jobs:
        hint = "name one or more, e.g. ['se-ppo', 'dqn']"
        raise InputError("learners must not be empty; got none", where="learners", hint=hint)
    check_jobs(jobs, problem.data)
    results = run_jobs(
        jobs, Path(out), data=problem.data, processes=processes, on_progress=on_progress
    )
    table = _table(problem.name, jobs, settings, results)
    table.save(Path(out))
    return table


def _table(
    name: str,
    jobs: Sequence[TrainingJob],
    settings: Sequence[dict[str, Any]],
    results: Mapping[str, JobResult],
) -> SweepTable:
    """Return one row and one curve for each training."""
    rows, curves = [], []
    for job, row in zip(jobs, settings, strict=True):
        arrays = results[job.key].arrays
        reward = arrays["episodes/reward"]
        earned = mean_interval(reward).columns("reward")
        rows.append({**row, "seeds": job.seeds, "steps": job.steps, **earned})
        curves.append((arrays["curves/steps"][0], arrays["curves/reward"]))
    return SweepTable(name, rows, curves)


def check_jobs(jobs: Sequence[TrainingJob], data: str | None) -> None:
    """Refuse unknown learners and settings of any training before the first one begins.

    Raises:
        InputError: names the learner, key or value.
    """
    for job in jobs:
        scenario = job.setup.load()
        build_learner(job.learner, scenario, build(scenario, data), job.steps)


def label(row: Mapping[str, Any]) -> str:
    """Return what a row is called in the figure: the learner and its settings."""
    keys = _keys([dict(row)])[1:]
    settings = " ".join(f"{key.removeprefix('learner.')}={row[key]}" for key in keys)
    return f"{row['learner']} {settings}".strip()


def _keys(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return ``learner`` and the keys of the grid."""
    return [key for key in rows[0] if key == "learner" or "." in key]


__all__ = ["SweepTable", "sweep"]
