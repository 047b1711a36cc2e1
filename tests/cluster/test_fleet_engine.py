"""A fleet on worker processes: the numbers of one process, whatever dies on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from edgewright.cluster.crew import Crew
from edgewright.cluster.engine import RayEngine
from edgewright.cluster.plain import plain
from edgewright.cluster.runtime import cluster, versions
from edgewright.core.errors import InputError
from edgewright.core.sealed import load_arrays
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.training.runs import Request, train, trainer_of

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
LONG = 20
"""Updates of a training that is killed."""

FREQUENT = """
import os, signal, sys
from edgewright.training import checkpoint, seed
seed.CHUNK, seed.SECONDS_BETWEEN_CHECKPOINTS = 4, 0.0
save, saved = checkpoint.save, []

def save_and_die(*arguments):
    save(*arguments)
    saved.append(1)
    if len(saved) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.save = save_and_die
from edgewright.cli.main import main
sys.exit(main())
"""
"""The command with a checkpoint after every few updates, which kills itself after the third."""


def request_of(mode: str, learner: str = "dqn-fleet", **more: Any) -> Request:
    values = {**SMALL, **(DQN if learner == "dqn-fleet" else {}), "learner.mode": mode, **more}
    return Request(load("aigc-heavy", values), learner, UPDATES * 16.0, 1)


def weights(out: Path) -> dict[str, np.ndarray]:
    return load_arrays(out / "seed-0" / "checkpoint.npz", "checkpoint", "")[0]


def same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Check that two states are one: parameters, replay, moments, keys and counters."""
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=2e-4, atol=2e-5, err_msg=name)


def leaves(training: Any) -> dict[str, np.ndarray]:
    """Return the arrays of a training by their paths."""
    found = jax.tree_util.tree_leaves_with_path(plain(training))
    words = ((path, getattr(leaf, "words", leaf)) for path, leaf in found)
    return {jax.tree_util.keystr(path): leaf for path, leaf in words}


@pytest.mark.parametrize(
    ("mode", "learner", "workers", "killed"),
    [
        ("synchronous", "dqn-fleet", 2, 5),
        ("synchronous", "se-ppo-fleet", 2, 0),
        ("asynchronous", "dqn-fleet", 2, 6),
        ("independent", "dqn-fleet", 2, 0),
        ("centralised", "dqn-fleet", 1, 0),
    ],
)
def test_workers_end_with_the_weights_of_one_process(
    mode: str, learner: str, workers: int, killed: int, address: str, kill_worker: Any
) -> None:
    """Federated rounds are in the test of a killed driver, with one worker."""
    request = request_of(mode, learner)
    problem = build(request.scenario)
    trainer = trainer_of(
        request.scenario, problem, build_learner(learner, request.scenario, problem, request.steps)
    )
    first = trainer.init_training(jax.random.key(0))
    local, expected = trainer.program(first, UPDATES)(first, UPDATES)
    engine = RayEngine(workers, address, kill_worker(1, "train", killed) if killed else None)
    with engine.running(trainer) as there:
        after, logs = there.program(first, UPDATES)(first, UPDATES)
    assert engine.facts()["worker_deaths"] == bool(killed)
    assert len(engine.facts()["recovery_s"]) == bool(killed)
    same(leaves(after), leaves(local))
    assert logs.keys() == expected.keys()
    if mode != "centralised":
        assert after.learner.updates == UPDATES


def test_more_workers_than_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most the devices, 3; got 4"):
        train(request_of("federated"), tmp_path / "x", engine=RayEngine(4))
    with pytest.raises(InputError, match="1 with --mode centralised; got 2"):
        train(request_of("centralised"), tmp_path / "x", engine=RayEngine(2))
    assert not (tmp_path / "x" / "run.json").exists()


@pytest.mark.parametrize(
    ("where", "message"),
    [("127.0.0.1:1", "answers at '127.0.0.1:1'"), ("somewhere", "must be HOST:PORT or auto")],
)
def test_an_address_without_a_cluster_is_refused(ray: Any, where: str, message: str) -> None:
    with pytest.raises(InputError, match=message), cluster(1, where):
        pass


def test_a_new_cluster_is_no_running_one_and_leaves_stdout_alone(
    ray: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with cluster(1) as connected:
        assert connected.cluster_resources()["CPU"] == 1
        print("a worker died")  # as a thread of Ray does
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a worker died" in captured.err


def test_more_workers_than_cores_are_refused(address: str) -> None:
    with pytest.raises(InputError, match="the cluster's cores, 2; got 3"), cluster(3, address):
        pass


def test_a_worker_of_another_version_is_refused(address: str) -> None:
    class Stale:
        def ready(self) -> dict[str, str]:
            return {**ours, "jax": "0.0.1", "pid": "1"}

    ours = versions()
    with cluster(1, address) as connected:
        stale = connected.remote(Stale).options(num_cpus=0)
        with pytest.raises(InputError, match=r"worker 0: jax must be .*; got 0\.0\.1"):
            Crew(connected, lambda rank: stale.remote(), 1)


KILLED = {**SMALL, **DQN, "training.evaluations": 1, "learner.mode": "federated"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    """Return where a run ends that nothing kills."""
    out = tmp_path_factory.mktemp("fleet") / "once"
    train(Request(load("aigc-heavy", KILLED), "dqn-fleet", 16.0 * LONG, 1), out)
    return weights(out)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_killed_driver_goes_on_and_ends_with_the_same_weights(
    engine: str, address: str, undisturbed: Mapping[str, np.ndarray], tmp_path: Path
) -> None:
    """SIGKILL of the whole command in the middle, and the same command again."""
    settings = [w for k, v in KILLED.items() for w in ("--set", f"{k}={json.dumps(v)}")]
    more = ["--engine", "ray", "--workers", "1", "--address", address] if engine == "ray" else []
    out = tmp_path / "killed"
    command = [
        sys.executable, "-c", FREQUENT, "train", "aigc-heavy", "--learner", "dqn",
        "--mode", "federated", *more, "--steps", str(16 * LONG), "--out", str(out), *settings,
    ]  # fmt: skip
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        ended = subprocess.run(command, stdout=log, stderr=log)
    assert ended.returncode == -signal.SIGKILL, (tmp_path / "log").read_text()
    at = load_arrays(out / "seed-0" / "checkpoint.npz", "checkpoint", "")[1]["iteration"]
    assert 0 < at < LONG
    request = Request(load("aigc-heavy", KILLED), "dqn-fleet", 16.0 * LONG, 1)
    train(request, out, engine=RayEngine(1, address) if engine == "ray" else None)
    same(weights(out), undisturbed)
