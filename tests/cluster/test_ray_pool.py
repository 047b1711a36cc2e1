"""Jobs of studies and sweeps on workers of a cluster."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgewright.api.problem import make
from edgewright.api.sweep import sweep
from edgewright.cluster.runtime import cluster
from edgewright.core.errors import CheckFailed, InputError
from edgewright.studies.job import FunctionJob
from edgewright.studies.ray_pool import JobRunner, RayPool, ray_pool
from edgewright.studies.runner import run_jobs
from edgewright.studies.workspace import Workspace, workspace

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


def test_a_replacement_that_does_not_come_is_given_up(
    tiny: Any, address: str, tmp_path: Path
) -> None:
    """The other worker does all jobs; without another the study ends with an error."""
    jobs = [FunctionJob(f"good-{n}", tiny.add, {"a": n, "b": 1}) for n in range(3)]
    pools = []

    @contextlib.contextmanager
    def made(most: int, files: Workspace) -> Iterator[RayPool]:
        with cluster(2, address) as ray:
            pool = RayPool(ray, 2, files, pinned=False)
            pool.runner = ray.remote(JobRunner).options(num_cpus=99)  # no machine has as many
            pool.seconds_to_start = 0.5
            pool.dead.add(0)
            pools.append(pool)
            yield pool
            assert pool.numbers == [1]
            pool.dead.add(1)
            with pytest.raises(InputError, match="1 workers did not start within"):
                pool.start(1, jobs[0])

    results = run_jobs(jobs, tmp_path, processes=made)
    assert [results[job.key].arrays["sum/x"].item() for job in jobs] == [1, 2, 3]
    assert len(pools) == 1


def test_a_folder_of_recordings_is_resolved_and_looked_for(
    tiny: Any, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = [FunctionJob("where", tiny.data_folder)]
    with pytest.raises(InputError, match=f"`--data` must be .* no '{tmp_path / 'data'}'"):
        run_jobs(jobs, Path("out"), data="data", processes=ray_pool(address, 1))
    (tmp_path / "data").mkdir()
    results = run_jobs(jobs, Path("out"), data="data", processes=ray_pool(address, 1))
    assert results["where"].facts["data"] == str(tmp_path / "data")


def test_a_sweep_on_a_cluster_gives_the_table_of_this_process(address: str, tmp_path: Path) -> None:
    problem = make("aigc-heavy", SMALL)
    grid = {"learner.gamma": [0.5, 0.9]}
    cells = {"grid": grid, "seeds": 1, "steps": 32}
    there = sweep(problem, ["se-ppo"], tmp_path / "a", processes=ray_pool(address, 1), **cells)
    here = sweep(problem, ["se-ppo"], tmp_path / "b", processes=0, **cells)
    assert there.rows == here.rows
    assert len(there.rows) == 2
