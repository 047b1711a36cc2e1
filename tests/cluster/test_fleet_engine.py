"""A fleet on worker processes: the numbers of one process, whatever dies on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.cluster.crew import Crew
from edgewright.cluster.engine import RayEngine
from edgewright.core.sealed import load_arrays
from edgewright.scenarios.load import load
from edgewright.training import seed
from edgewright.training.runs import Request, train

SMALL: dict[str, Any] = {
    "world.devices": 3,
    "world.overflow": "reject",
    "params.horizon_slots": 12,
    "evaluation.episodes": 2,
    "training.evaluations": 2,
    "learner.num_envs": 2,
    "learner.rollout_steps": 8,
    "learner.batch_size": 8,
    "learner.hidden_sizes": [8],
}
DQN = {"learner.buffer_size": 64, "learner.learning_starts": 32.0, "learner.train_freq": 8}
UPDATES = 8


def request_of(mode: str, learner: str = "dqn-fleet", **more: Any) -> Request:
    values = {**SMALL, **(DQN if learner == "dqn-fleet" else {}), "learner.mode": mode, **more}
    return Request(load("aigc-heavy", values), learner, UPDATES * 16.0, 1)


def weights(out: Path) -> dict[str, np.ndarray]:
    return load_arrays(out / "seed-0" / "checkpoint.npz", "checkpoint", "")[0]


def same(a: Path, b: Path) -> None:
    """Check that two runs ended in one state: parameters, replay, moments, keys and counters."""
    ours, theirs = weights(a), weights(b)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=2e-4, atol=2e-5, err_msg=name)


def kill_at(update: int, method: str = "train") -> Any:
    """Return what lets worker 1 be killed while it works on an update."""

    def prepare(crew: Crew) -> None:
        call = crew.call

        def killing(calls: Any) -> Any:
            if calls[0][0] == method and calls[0][1][0] == update and not crew.deaths:
                os.kill(crew.pids[1], signal.SIGKILL)
            return call(calls)

        crew.call = killing  # pyright: ignore[reportAttributeAccessIssue]

    return prepare


@pytest.mark.parametrize(
    ("mode", "learner", "workers", "killed"),
    [
        ("synchronous", "dqn-fleet", 2, 5),
        ("synchronous", "se-ppo-fleet", 1, 0),
        ("federated", "dqn-fleet", 1, 0),
        ("asynchronous", "dqn-fleet", 2, 6),
        ("centralised", "dqn-fleet", 1, 0),
    ],
)
def test_workers_end_with_the_weights_of_one_process(
    mode: str, learner: str, workers: int, killed: int, address: str, tmp_path: Path
) -> None:
    request = request_of(mode, learner)
    train(request, tmp_path / "local")
    engine = RayEngine(workers, address, kill_at(killed) if killed else None)
    timing = train(request, tmp_path / "ray", engine=engine)
    assert timing["worker_deaths"] == bool(killed)
    assert len(timing["recovery_s"]) == bool(killed)
    same(tmp_path / "local", tmp_path / "ray")
    if mode != "centralised":
        assert weights(tmp_path / "ray")[".learner.updates"] == UPDATES
