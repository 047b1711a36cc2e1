"""Jobs of studies and sweeps on workers of a cluster."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgewright.api.problem import make
from edgewright.api.sweep import sweep
from edgewright.core.errors import CheckFailed
from edgewright.studies.job import FunctionJob
from edgewright.studies.ray_pool import ray_pool
from edgewright.studies.runner import run_jobs
from edgewright.studies.workspace import workspace

SMALL = {
    "evaluation.episodes": 2,
    "params.horizon_slots": 12,
    "learner.num_envs": 2,
    "learner.rollout_steps": 8,
    "learner.batch_size": 8,
    "learner.hidden_sizes": [8],
}


@pytest.fixture(scope="module")
def tiny() -> Iterator[Any]:
    """Return the jobs of the tiny study, importable by name in workers too."""
    folder = str(Path(__file__).parents[1] / "studies")
    sys.path.insert(0, folder)
    yield importlib.import_module("tiny_study")
    sys.path.remove(folder)
    del sys.modules["tiny_study"]


def test_a_lost_worker_costs_its_cell_only(tiny: Any, address: str, tmp_path: Path) -> None:
    """One job kills its process once and is run again; another fails, and only its heir waits."""
    jobs = [
        FunctionJob("bad", tiny.fail, cost=5.0),
        FunctionJob("after", tiny.double, {"of": "bad"}, needs=("bad",)),
        FunctionJob("good", tiny.add, {"a": 1, "b": 1}),
        FunctionJob("twice", tiny.double, {"of": "good"}, needs=("good",)),
        FunctionJob("dies", tiny.die_once),
    ]
    with pytest.raises(CheckFailed, match=r"1 of 5 jobs failed and 1 wait.*ZeroDivisionError: on"):
        run_jobs(jobs, tmp_path, processes=ray_pool(address, 2))
    paths = workspace(jobs, tmp_path).results
    assert [key for key, path in paths.items() if path.exists()] == ["good", "twice", "dies"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    results = run_jobs(jobs[2:], tmp_path, processes=ray_pool(address, 2))  # nothing is left to do
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == before
    assert results["twice"].arrays["sum/x"] == 4


def test_a_sweep_on_a_cluster_gives_the_table_of_this_process(address: str, tmp_path: Path) -> None:
    problem = make("aigc-heavy", SMALL)
    grid = {"learner.gamma": [0.5, 0.9]}
    cells = {"grid": grid, "seeds": 1, "steps": 32}
    there = sweep(problem, ["se-ppo"], tmp_path / "a", processes=ray_pool(address, 1), **cells)
    here = sweep(problem, ["se-ppo"], tmp_path / "b", processes=0, **cells)
    assert there.rows == here.rows
    assert len(there.rows) == 2
