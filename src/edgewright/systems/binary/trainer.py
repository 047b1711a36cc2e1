"""Two trainers of the binary system, for learners with and without meta-training.

A meta-learner trains an initialisation on the training tasks (``loops.meta``); it is scored on
tasks that the training never used, after it has adapted there. DROO has no meta-training phase: it
trains online in each evaluation task, from random weights.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.maml import Maml
from edgewright.core.errors import InputError
from edgewright.core.protocols import World
from edgewright.core.records import Array
from edgewright.core.spaces import Box
from edgewright.loops import adapt, meta
from edgewright.loops.initialisation import Initialisation, adaptation_key
from edgewright.loops.repeat import Program, compile_rounds
from edgewright.specs.schema import Evaluation
from edgewright.systems.binary.baselines import Optimum
from edgewright.systems.binary.held_out import draw_held_out
from edgewright.systems.problem import LearnerPlan, Problem
from edgewright.systems.trainer import Deployable, Trainer, refuse_task

ADAPT_STEPS = 20
"""Gradient steps in a new task before an initialisation is scored: MRL's "within 20 steps"."""


def judged(result: adapt.Scores, devices: int) -> dict[str, Array]:
    """Return the metrics ``[...]`` of scores ``[..., 2]``, with search unless named rounded."""
    rounded, priced = (jax.tree.map(lambda leaf, way=way: leaf[..., way], result) for way in (0, 1))
    return {
        "reward": -priced.cost / devices,
        "q_hat": priced.q_hat,
        "q_hat_rounded": rounded.q_hat,
        "q_hat_p05": priced.q_hat_p05,
        "q_hat_rounded_p05": rounded.q_hat_p05,
        "ratio_of_means": priced.ratio_of_means,
        "optimal_fraction": priced.optimal_fraction,
        "weighted_delay_s": priced.cost,
    }


def _means(result: dict[str, Array]) -> dict[str, float]:
    return {name: float(np.mean(np.asarray(value))) for name, value in result.items()}


def trainer(problem: Problem, plan: LearnerPlan, evaluation: Evaluation) -> Trainer:
    """Return the course of a learner: by what it is.

    Raises:
        InputError: a size of the learner does not fit the scenario, or another of its sizes.
    """
    meta_learner = isinstance(plan.learner, Maml)
    if meta_learner and plan.learner.tasks > problem.tasks.train.count:
        count = problem.tasks.train.count
        message = f"{plan.learner.tasks} scenarios in a round, and {count} to train in"
        hint = "lower it, or raise params.train_scenarios"
        raise InputError(message, where="learner.tasks", hint=hint)
    return (MetaTrainer if meta_learner else PerTaskTrainer)(problem, plan, evaluation)


def _space(world: World, problem: Problem) -> Box:
    """Return the observation space of the tasks: all of a problem scale alike."""
    return world.observation_space(problem.params)


@dataclasses.dataclass(frozen=True)
class MetaTrainer:
    """Rounds between a server and the devices of the training scenarios."""

    problem: Problem
    plan: LearnerPlan
    evaluation: Evaluation

    @property
    def steps(self) -> int:
        """Slots of all devices of a round."""
        return self.plan.learner.tasks * self.plan.learner.slots

    def init_training(self, key: Array) -> Any:
        """Return the server before its first round."""
        learner, tasks = self.plan.learner, self.problem.tasks.train
        return meta.init_training(key, self.plan.train_world, tasks, learner)

    def shapes(self) -> Any:
        """Return the shapes of a training."""
        learner, tasks = self.plan.learner, self.problem.tasks.train
        return meta.init_training.eval_shape(
            jax.random.key(0), self.plan.train_world, tasks, learner
        )

    def program(self, example: Any, chunk: int) -> Program:
        """Compile up to ``chunk`` rounds."""
        return compile_rounds(meta.advance, self.plan.train_world, self.arguments, example, chunk)

    @property
    def arguments(self) -> tuple[Any, Any, Any]:
        """Return the tasks, the learner, and what labels slots where the learner does not."""
        learner, world = self.plan.learner, self.plan.train_world
        teacher = Optimum(world=world) if learner.labels == "optimum" else None
        return self.problem.tasks.train, learner, teacher

    def judge(self) -> Callable[[Any], dict[str, float]]:
        """Return a function that scores the present initialisation in the evaluation tasks."""
        held_out = draw_held_out(self.evaluation, self.problem)
        tasks, base = self.problem.tasks.test, self.plan.learner.base
        gaps = jnp.asarray([ADAPT_STEPS])

        def score(training: Any) -> dict[str, float]:
            start, world = self.policy_entry(training)
            key = adaptation_key(0)
            networks = start.networks(tasks.count)
            result = adapt.adapt_all(key, world, tasks, base, networks, gaps, held_out)
            first, last = (
                judged(
                    jax.tree.map(lambda leaf, m=m: leaf[:, m], result), self.problem.world.devices
                )
                for m in (0, 1)
            )
            before = {f"{name}_before": first[name] for name in ("q_hat", "q_hat_rounded")}
            return _means({**last, **before})

        return score

    def before_comparison(self, steps: float) -> int:
        """Return the rounds of ``steps``, rounded up."""
        return math.ceil(steps / self.steps)

    def policy_entry(self, training: Any) -> tuple[Initialisation, World]:
        """Return the present initialisation of the server."""
        network = training.server.initial.network
        base = self.plan.learner.base.fitted(_space(self.plan.world, self.problem))
        return Initialisation(network=network, learner=base, shared=True), self.plan.world

    def deployable(self, training: Any, task: int | None) -> Deployable:
        """Return the initialisation as a policy; it is its own exploring policy.

        Raises:
            InputError: a task is named.
        """
        refuse_task(task)
        policy = self.policy_entry(training)[0].policy(0)
        return Deployable(policy, policy)


@dataclasses.dataclass(frozen=True)
class PerTaskTrainer:
    """Devices that learn in the scenarios of the evaluation, from nothing."""

    problem: Problem
    plan: LearnerPlan
    evaluation: Evaluation

    @property
    def steps(self) -> int:
        """Slots of all devices between two gradient steps."""
        return self.plan.learner.rollout_steps * self.problem.tasks.test.count

    def init_training(self, key: Array) -> Any:
        """Return untrained devices."""
        return adapt.init_devices(
            key, self.plan.train_world, self.problem.tasks.test, self.plan.learner
        )

    def shapes(self) -> Any:
        """Return the shapes of a training."""
        given = (self.plan.train_world, self.problem.tasks.test, self.plan.learner)
        return adapt.init_devices.eval_shape(jax.random.key(0), *given)

    def program(self, example: Any, chunk: int) -> Program:
        """Compile up to ``chunk`` gradient steps of every device."""
        world, given = self.plan.train_world, (self.problem.tasks.test, self.plan.learner)
        return compile_rounds(adapt.train_devices, world, given, example, chunk)

    def judge(self) -> Callable[[Any], dict[str, float]]:
        """Return a function that scores the devices without adaptation."""
        held_out = draw_held_out(self.evaluation, self.problem)
        tasks, none = self.problem.tasks.test, jnp.zeros(0, jnp.int32)

        def score(training: Any) -> dict[str, float]:
            start, world = self.policy_entry(training)
            key = adaptation_key(0)
            networks = start.networks(tasks.count)
            result = adapt.adapt_all(key, world, tasks, start.learner, networks, none, held_out)
            return _means(
                judged(jax.tree.map(lambda leaf: leaf[:, 0], result), self.problem.world.devices)
            )

        return score

    def before_comparison(self, steps: float) -> int:
        """Return none: what it can do in its first steps from nothing is compared."""
        return 0

    def policy_entry(self, training: Any) -> tuple[Initialisation, World]:
        """Return the networks that the devices have now."""
        network = training.learner.network
        learner = self.plan.learner.fitted(_space(self.plan.world, self.problem))
        start = Initialisation(network=network, learner=learner, shared=False)
        return start, self.plan.world

    def deployable(self, training: Any, task: int | None) -> Deployable:
        """Return the network of one task, the first one if ``task`` is None, as a policy.

        Raises:
            InputError: the task does not exist.
        """
        index = task or 0
        policy = self.policy_entry(training)[0].policy(index)
        return Deployable(policy, policy, index)
