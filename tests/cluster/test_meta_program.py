"""MRL on workers: devices train inner models, the server the outer one."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from edgewright.cluster.engine import RayEngine
from edgewright.cluster.meta_program import MetaProgram
from edgewright.cluster.meta_worker import MetaWorker
from edgewright.cluster.plain import plain
from edgewright.core.errors import InputError
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.training.runs import trainer_of

ROUNDS = 3
SMALL = {
    "world.devices": 3,
    "params.train_scenarios": 6,
    "learner.tasks": 3,
    "learner.support": 4,
    "learner.query": 4,
}


class Here:
    """Workers in this process, the second of which answers twice, as one that was replaced."""

    count = 2

    def __init__(self, world: Any, arguments: Any) -> None:
        self.workers = [MetaWorker(world, arguments) for _ in range(self.count)]
        self.seconds = {"workers": 0.0}

    def forget_calls(self) -> None:
        pass

    def call(self, calls: Any) -> list[Any]:
        answers = []
        for worker, (name, arguments) in zip(self.workers, calls, strict=True):
            assert name == "update"
            worker.update(*arguments)
            answers.append(worker.update(*arguments))
        return answers


@pytest.fixture(scope="module")
def trainer() -> Any:
    """Return the trainer of MRL in one process, on a small world."""
    scenario = load("binary-easy", SMALL)
    problem = build(scenario)
    return trainer_of(scenario, problem, build_learner("maml", scenario, problem, 96.0))


@pytest.fixture(scope="module")
def together(trainer: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Return a training before and after its rounds in one process, and their logs."""
    first = trainer.init_training(jax.random.key(0))
    return first, *trainer.program(first, ROUNDS)(first, ROUNDS)


def check(apart: tuple[Any, dict[str, Any]], together: tuple[Any, Any, dict[str, Any]]) -> None:
    """Check that the outer model, its optimiser and the logs are those of one process."""
    first, expected, logs = together
    for ours, theirs in zip(
        jax.tree.leaves(plain(apart[0])), jax.tree.leaves(plain(expected)), strict=True
    ):
        if isinstance(ours, np.ndarray):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    before, after = first.server.initial, apart[0].server.initial
    moved = jax.tree.map(lambda a, b: np.any(a != b), after, before)
    assert any(jax.tree.leaves(moved))
    assert apart[0].server.rounds == ROUNDS
    assert apart[1].keys() == logs.keys()
    np.testing.assert_allclose(apart[1]["loss"], logs["loss"][:ROUNDS], rtol=1e-4)


def test_rounds_on_workers_are_those_of_one_process(trainer: Any, together: Any) -> None:
    crew: Any = Here(trainer.plan.train_world, trainer.arguments)
    check(MetaProgram(trainer.arguments, crew)(together[0], ROUNDS), together)


def test_real_workers_train_the_inner_models_and_may_die(
    trainer: Any, together: Any, address: str, kill_worker: Any
) -> None:
    """Two processes train three devices; one of them is killed in the second round."""
    engine = RayEngine(2, address, kill_worker(1, "update", 1))
    with engine.running(trainer) as there:
        check(there.program(together[0], ROUNDS)(together[0], ROUNDS), together)
    facts = engine.facts()
    assert (facts["workers"], facts["worker_deaths"], len(facts["recovery_s"])) == (2, 1, 1)


def test_more_workers_than_devices_of_a_round_are_refused(trainer: Any) -> None:
    with pytest.raises(InputError, match="at most the devices, 3; got 4"):
        RayEngine(4).running(trainer).__enter__()
