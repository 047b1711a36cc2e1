"""How a learner of the binary system is trained, and what comes of it.

Two courses. A meta-learner trains its start in the training scenarios (``loops.meta``) and is
judged by what that start becomes in scenarios it never saw. A plain learner (DROO) has no start to
train: it lives in the scenarios of the evaluation from the first slot on.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.droo import Droo, RelaxedPolicy
from edgewright.agents.maml import Maml
from edgewright.core.errors import InputError
from edgewright.core.protocols import World
from edgewright.core.records import Array, record, static
from edgewright.core.spaces import Box
from edgewright.loops import adapt, meta
from edgewright.specs.schema import Evaluation
from edgewright.systems.binary.baselines import Optimum
from edgewright.systems.binary.held_out import draw_exams
from edgewright.systems.system import Problem
from edgewright.systems.trainer import Program, Trainer

ADAPT_STEPS = 20
"""Gradient steps in a new scenario before a start is scored: MRL's "within 20 steps"."""


@record
class Start:
    """What a device begins with: the same network everywhere, or one for each scenario ``[E]``."""

    network: Any
    learner: Droo
    shared: bool = static()

    def policy(self, index: int) -> RelaxedPolicy:
        """Return what a device of one scenario decides with, before it adapts any further.

        Raises:
            InputError: each scenario has its own network, and there is none of that number.
        """
        if self.shared:
            return self.learner.proposer(self.network)
        own = jax.tree.leaves(self.network)[0].shape[0]
        if not 0 <= index < own:
            message = f"the task must be from 0 to {own - 1}; got {index}"
            raise InputError(message, where="--task", hint=f"give 0 to {own - 1}")
        return self.learner.proposer(jax.tree.map(lambda leaf: leaf[index], self.network))

    def networks(self, count: int) -> Any:
        """Return a network for each of ``count`` scenarios, leaves ``[count, ...]``.

        Raises:
            InputError: each has its own, of another number of scenarios.
        """
        if self.shared:
            return jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), self.network
            )
        own = jax.tree.leaves(self.network)[0].shape[0]
        if own != count:
            message = f"the run learned in {own} scenarios of its own, and {count} are played here"
            raise InputError(message, where="evaluation.episodes", hint=f"play {own} of them")
        return self.network


def adaptation_key(seed: int) -> Array:
    """Return the key of the slots that devices adapt on: the same for every learner."""
    return jax.random.fold_in(jax.random.key(90_001), seed)


def judged(found: adapt.Scores, devices: int) -> dict[str, Array]:
    """Return the metrics ``[...]`` of marks ``[..., 2]``: priced unless their name says rounded."""
    rounded, priced = (jax.tree.map(lambda leaf, way=way: leaf[..., way], found) for way in (0, 1))
    return {
        "reward": -priced.cost / devices,
        "q_hat": priced.q_hat,
        "q_hat_rounded": rounded.q_hat,
        "q_hat_p05": priced.q_hat_p05,
        "q_hat_rounded_p5": rounded.q_hat_p05,
        "ratio_of_means": priced.ratio_of_means,
        "exact": priced.exact,
        "weighted_delay_s": priced.cost,
    }


def _means(found: dict[str, Array]) -> dict[str, float]:
    return {name: float(np.mean(np.asarray(value))) for name, value in found.items()}


def trainer(problem: Problem, plan: Any, evaluation: Evaluation) -> Trainer:
    """Return the course of a learner: by what it is.

    Raises:
        InputError: a size of the learner does not fit the scenario, or another of its sizes.
    """
    meta_learner = isinstance(plan.learner, Maml)
    base = plan.learner.base if meta_learner else plan.learner
    if meta_learner and plan.learner.tasks > problem.tasks.train.count:
        count = problem.tasks.train.count
        message = f"{plan.learner.tasks} scenarios in a round, and {count} to train in"
        hint = "lower it, or raise params.train_scenarios"
        raise InputError(message, where="learner.tasks", hint=hint)
    if isinstance(base, Droo):
        _check_sizes(base, problem.world.devices)
    return (MetaTrainer if meta_learner else PerTaskTrainer)(problem, plan, evaluation)


def _space(world: World, problem: Problem) -> Box:
    """Return the observation space of the tasks: all of a problem scale alike."""
    return world.observation_space(problem.params)


def _check_sizes(base: Droo, devices: int) -> None:
    """Refuse more proposals than the quantiser has, and a memory that one step overfills."""
    most = {"order": devices + 1, "noisy": 2 * devices + 2, "nearest": 2**devices}[base.quantiser]
    if base.num_candidates > most:
        message = f"{base.num_candidates} proposals are asked for"
        hint = f"{devices} devices and quantiser = '{base.quantiser}' give {most} at most"
        raise InputError(message, where="learner.num_candidates", hint=hint)
    if base.rollout_steps > base.buffer_size:
        message = (
            f"{base.rollout_steps} slots of a step do not fit into a memory of {base.buffer_size}"
        )
        raise InputError(
            message, where="learner.buffer_size", hint="raise it, or lower learner.rollout_steps"
        )


@dataclasses.dataclass(frozen=True)
class MetaTrainer:
    """Rounds between a server and the devices of the training scenarios."""

    problem: Problem
    plan: Any
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
        learner, world = self.plan.learner, self.plan.train_world
        teacher = Optimum(world=world) if learner.labels == "optimum" else None
        given = (self.problem.tasks.train, learner, teacher)
        compiled = meta.advance.lower(world, *given, example, jnp.int32(1), chunk).compile()
        return lambda training, count: compiled(*given, training, count)

    def judge(self) -> Callable[[Any], dict[str, float]]:
        """Return what lets the present start adapt in the scenarios of the evaluation."""
        exams = draw_exams(self.evaluation, self.problem)
        tasks, base = self.problem.tasks.test, self.plan.learner.base
        gaps = jnp.asarray([ADAPT_STEPS])

        def score(training: Any) -> dict[str, float]:
            start, world = self.policy_entry(training)
            key = adaptation_key(0)
            networks = start.networks(tasks.count)
            found = adapt.adapt_all(key, world, tasks, base, networks, gaps, exams)
            first, last = (
                judged(
                    jax.tree.map(lambda leaf, m=m: leaf[:, m], found), self.problem.world.devices
                )
                for m in (0, 1)
            )
            before = {f"{name}_before": first[name] for name in ("q_hat", "q_hat_rounded")}
            return _means({**last, **before})

        return score

    def before_comparison(self, steps: float) -> int:
        """Return the rounds of ``steps``, rounded up."""
        return math.ceil(steps / self.steps)

    def policy_entry(self, training: Any) -> tuple[Start, World]:
        """Return the start that the server has now."""
        network = training.server.initial.network
        base = self.plan.learner.base.fitted(_space(self.plan.world, self.problem))
        return Start(network=network, learner=base, shared=True), self.plan.world


@dataclasses.dataclass(frozen=True)
class PerTaskTrainer:
    """Devices that learn in the scenarios of the evaluation, from nothing."""

    problem: Problem
    plan: Any
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
        compiled = adapt.train_devices.lower(world, *given, example, jnp.int32(1), chunk).compile()
        return lambda training, count: compiled(*given, training, count)

    def judge(self) -> Callable[[Any], dict[str, float]]:
        """Return what examines the devices as they are."""
        exams = draw_exams(self.evaluation, self.problem)
        tasks, none = self.problem.tasks.test, jnp.zeros(0, jnp.int32)

        def score(training: Any) -> dict[str, float]:
            start, world = self.policy_entry(training)
            key = adaptation_key(0)
            networks = start.networks(tasks.count)
            found = adapt.adapt_all(key, world, tasks, start.learner, networks, none, exams)
            return _means(
                judged(jax.tree.map(lambda leaf: leaf[:, 0], found), self.problem.world.devices)
            )

        return score

    def before_comparison(self, steps: float) -> int:
        """Return none: what it can do in its first steps from nothing is compared."""
        return 0

    def policy_entry(self, training: Any) -> tuple[Start, World]:
        """Return the networks that the devices have now."""
        network = training.learner.network
        learner = self.plan.learner.fitted(_space(self.plan.world, self.problem))
        start = Start(network=network, learner=learner, shared=False)
        return start, self.plan.world
