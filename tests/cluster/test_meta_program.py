"""MRL on workers: devices train inner models, the server the outer one."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from edgewright.cluster.meta_program import MetaProgram
from edgewright.cluster.meta_worker import MetaWorker
from edgewright.cluster.plain import plain
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.training.runs import trainer_of

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


def test_rounds_on_workers_are_those_of_one_process() -> None:
    scenario = load("binary-easy", SMALL)
    problem = build(scenario)
    trainer: Any = trainer_of(scenario, problem, build_learner("maml", scenario, problem, 96.0))
    first = trainer.init_training(jax.random.key(0))
    together, expected = trainer.program(first, 4)(first, 4)
    crew: Any = Here(trainer.plan.train_world, trainer.arguments)
    apart, logs = MetaProgram(trainer.arguments, crew)(first, 4)
    for ours, theirs in zip(
        jax.tree.leaves(plain(apart)), jax.tree.leaves(plain(together)), strict=True
    ):
        if isinstance(ours, np.ndarray):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    moved = jax.tree.map(lambda a, b: np.any(a != b), apart.server.initial, first.server.initial)
    assert any(jax.tree.leaves(moved))
    assert logs.keys() == expected.keys()
    np.testing.assert_allclose(logs["loss"], expected["loss"][:4], rtol=1e-4)
