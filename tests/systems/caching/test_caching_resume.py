"""Trainings of two levels that a kill ends in the middle go on to the same state."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from edgewright.scenarios.load import load
from edgewright.training import checkpoint
from edgewright.training.runs import Request, load_run, train

STEPS = 12 * 24  # 12 updates of four copies and an epoch of six steps
SMALL = {
    "evaluation.episodes": 2,
    "training.evaluations": 4,
    "params.epochs": 3,
    "learner.upper.hidden_sizes": [8],
    "learner.upper.learning_starts": 4.0,
    "learner.upper.batch_size": 4,
    "learner.lower.hidden_sizes": [8],
    "learner.lower.learning_starts": 24.0,
    "learner.lower.batch_size": 4,
}
PLANNER = {
    "learner.lower.reward_hidden_sizes": [8],
    "learner.lower.ensemble_size": 2,
    "learner.lower.num_candidates": 8,
    "learner.lower.num_elites": 4,
    "learner.lower.plan_iterations": 2,
    "learner.lower.plan_horizon": 2,
}
CHANGES: dict[str, dict[str, Any]] = {"hadrl": {**SMALL, **PLANNER}, "ddpg-ddpg": SMALL}

KILLED = """
import json, os, signal, sys
from pathlib import Path
from edgewright.scenarios.load import load
from edgewright.training import seed
from edgewright.training.runs import Request, train

name, changes, steps, out = json.loads(sys.argv[1])
seed.SECONDS_BETWEEN_CHECKPOINTS = 0.0

def kill(done, *_):
    if done > steps / 2:
        os.kill(os.getpid(), signal.SIGKILL)

train(Request(load("caching-toy", changes), name, float(steps), 1), Path(out), kill)
"""
"""A process that trains and is killed past the middle, after steps and before they are saved."""


@pytest.mark.parametrize("name", list(CHANGES))
def test_a_training_that_was_killed_ends_in_the_same_state(name: str, tmp_path: Path) -> None:
    request = Request(load("caching-toy", CHANGES[name]), name, float(STEPS), 1)
    train(request, tmp_path / "whole")
    killed = tmp_path / "killed"
    arguments = json.dumps([name, CHANGES[name], STEPS, str(killed)])
    command = [sys.executable, "-c", KILLED, arguments]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=300)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2000:]
    rows = checkpoint.read_log(killed / "seed-0", "metrics")
    assert 0 < rows[-1]["steps"] <= STEPS / 2
    fresh: list[int] = []
    train(request, killed, lambda done, new, *_: fresh.append(new))
    assert 0 < fresh[-1] < STEPS  # it did not begin anew
    states = [
        [_plain(leaf) for leaf in jax.tree.leaves(load_run(folder).trainings)]
        for folder in (tmp_path / "whole", killed)
    ]
    for a, b in zip(*states, strict=True):  # networks, replays, scalers, plans, keys, the world
        np.testing.assert_array_equal(a, b)
    folders = tmp_path / "whole" / "seed-0", killed / "seed-0"
    logs = [checkpoint.read_log(folder, "evaluation") for folder in folders]
    assert logs[0] == logs[1]


def _plain(leaf: Any) -> np.ndarray:
    is_key = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)
