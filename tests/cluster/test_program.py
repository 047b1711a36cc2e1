"""A fleet whose devices are shared out: in this process, so that every mode takes a second."""

from __future__ import annotations

import sys
from typing import Any

import jax
import numpy as np
import pytest

from edgewright.cluster.plain import joined, plain, restored, rows
from edgewright.cluster.program import FleetProgram, checked
from edgewright.cluster.runtime import import_ray
from edgewright.cluster.worker import FleetWorker
from edgewright.core.errors import InputError
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.systems.trainer import OnlineTrainer
from edgewright.training.runs import trainer_of

SMALL: dict[str, Any] = {
    "world.devices": 3,
    "world.overflow": "reject",
    "params.horizon_slots": 12,
    "evaluation.episodes": 2,
    "learner.num_envs": 2,
    "learner.rollout_steps": 8,
    "learner.batch_size": 8,
    "learner.hidden_sizes": [8],
    "learner.buffer_size": 64,
    "learner.learning_starts": 16.0,
    "learner.train_freq": 8,
}


class Here:
    """Workers in this process. What they send may be changed on its way."""

    def __init__(self, fleet: Any, count: int, tamper: Any = None) -> None:
        self.workers = [FleetWorker(fleet) for _ in range(count)]
        self.count, self.tamper = count, tamper
        self.seconds = {"play": 0.0, "workers": 0.0, "server": 0.0, "snapshot": 0.0}
        self.snapshots: list[Any] = []

    def call(self, calls: Any) -> list[Any]:
        answers = [
            getattr(worker, name)(*arguments)
            for worker, (name, arguments) in zip(self.workers, calls, strict=True)
        ]
        if self.tamper is not None and calls[0][0] == "train":
            answers[0] = self.tamper(answers[0])
        return answers

    start = call

    def snapshot(self, calls: Any) -> None:
        self.snapshots = calls


def trainer_with(mode: str, **more: Any) -> OnlineTrainer:
    values = {**SMALL, "learner.mode": mode, **{f"learner.{k}": v for k, v in more.items()}}
    scenario = load("aigc-heavy", values)
    problem = build(scenario)
    trainer = trainer_of(scenario, problem, build_learner("dqn-fleet", scenario, problem, 64.0))
    assert isinstance(trainer, OnlineTrainer)
    return trainer


def trained(trainer: OnlineTrainer, workers: int, updates: int, tamper: Any = None) -> Any:
    crew = Here(trainer.plan.learner, workers, tamper)
    program = FleetProgram(trainer, crew)  # pyright: ignore[reportArgumentType]
    return program(trainer.init_training(jax.random.key(0)), updates)


@pytest.mark.parametrize(
    ("mode", "workers", "more"),
    [
        ("federated", 2, {"local_updates": 2, "encoding": "top-k", "dropout": 0.4}),
        ("asynchronous", 2, {"encoding": "int8", "dropout": 0.4}),
        ("independent", 3, {}),
    ],
)
def test_shared_out_devices_learn_what_they_learn_together(
    mode: str, workers: int, more: dict[str, Any]
) -> None:
    trainer = trainer_with(mode, **more)
    first = trainer.init_training(jax.random.key(0))
    together, expected = trainer.program(first, 3)(first, 3)
    apart, logs = trained(trainer, workers, 3)
    names = jax.tree_util.tree_leaves_with_path(plain(together))
    for (name, values), leaf in zip(names, jax.tree.leaves(plain(apart)), strict=True):
        text = jax.tree_util.keystr(name)
        if not hasattr(values, "words"):
            np.testing.assert_allclose(leaf, values, rtol=2e-4, atol=2e-5, err_msg=text)
    assert logs.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(logs[name], values[:3], rtol=2e-3, atol=2e-4, err_msg=name)


def infinite(answer: Any) -> Any:
    logs, sent, policy = answer
    return logs, jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), sent), policy


def cut(answer: Any) -> Any:
    logs, sent, policy = answer
    return logs, jax.tree.map(lambda leaf: leaf[..., :-1], sent), policy


@pytest.mark.parametrize(("mode", "tamper"), [("federated", cut), ("asynchronous", infinite)])
def test_a_client_that_sends_no_numbers_is_set_aside_and_counted(mode: str, tamper: Any) -> None:
    """Worker 0 of 3 has one device of 3."""
    every = {"slowest": 1.0} if mode == "asynchronous" else {}
    trainer = trainer_with(mode, **every)
    training, logs = trained(trainer, 3, 2, tamper)
    np.testing.assert_array_equal(logs["set_aside"], [1.0, 1.0])
    state = training.learner
    leaves = [*jax.tree.leaves(state.shared), *jax.tree.leaves(state.devices.state.network)]
    assert all(np.all(np.isfinite(leaf)) for leaf in leaves)
    fresh = trainer.init_training(jax.random.key(0)).learner
    assert np.any(np.asarray(state.shared.parameters != fresh.shared.parameters))


def test_what_a_worker_sends_is_checked() -> None:
    expected = {"a": jax.ShapeDtypeStruct((5, 2), np.float32)}
    right = {"a": np.ones((3, 2), np.float32)}
    assert checked(right, expected, 3) is right
    for wrong in ({"a": np.ones((3, 3), np.float32)}, {"b": right["a"]}, {"a": np.ones((3, 2))}):
        assert np.all(np.isnan(checked(wrong, expected, 3)["a"]))


def test_without_ray_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"not installed\nhint: pip install 'edgewright\[ray\]'"):
        import_ray()


def test_random_keys_travel_as_plain_numbers() -> None:
    tree = {"key": jax.random.split(jax.random.key(3), 4), "x": np.arange(4.0)}
    halves = [rows(plain(tree), slice(0, 1)), rows(plain(tree), slice(1, 4))]
    back = restored(joined(halves))
    assert np.all(np.asarray(jax.random.key_data(back["key"] ))
                  == np.asarray(jax.random.key_data(tree["key"])))  # fmt: skip
    np.testing.assert_array_equal(back["x"], tree["x"])
