"""Define trainers, which train a learner of a system step by step and score it meanwhile.

The run store, seeds side by side, resuming and logs (``training.runs``) are written against
:class:`Trainer`. :class:`OnlineTrainer` is the usual one: one world, one set of numbers, episodes.
A system whose learners train in another way gives its own (``systems.binary.trainer``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from typing import Any, Protocol

import jax
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.protocols import World
from edgewright.core.records import Array
from edgewright.loops.evaluate import episode_inputs, evaluate, observe_fn_of
from edgewright.loops.online import advance, init_training, stagger
from edgewright.loops.repeat import Program, compile_rounds
from edgewright.specs.schema import Evaluation
from edgewright.systems.problem import LearnerPlan, Problem


class Trainer(Protocol):
    """One learner on one built scenario."""

    @property
    def steps(self) -> int:
        """Slots of the world that one iteration plays."""
        ...

    def init_training(self, key: Array) -> Any:
        """Return the training before its first iteration: a pytree. Consumes ``key``."""
        ...

    def shapes(self) -> Any:
        """Return the shapes of a training, without computing one."""
        ...

    def program(self, example: Any, chunk: int) -> Program:
        """Compile up to ``chunk`` iterations."""
        ...

    def judge(self) -> Callable[[Any], dict[str, float]]:
        """Return what scores a training: the key ``reward`` and others."""
        ...

    def before_comparison(self, steps: float) -> int:
        """Return the iterations that a comparison trains a learner for that it names itself."""
        ...

    def policy_entry(self, training: Any) -> tuple[Any, World]:
        """Return the policy of a training as comparisons take it, and its world."""
        ...

    def deployable(self, training: Any, task: int | None) -> Deployable:
        """Return what is exported of a training.

        Args:
            task: index of the task whose network is asked for; None for the one there is.

        Raises:
            InputError: the task does not exist, or one network serves all tasks.
        """
        ...


class Engine(Protocol):
    """Something that runs the updates of a trainer elsewhere than in this process.

    Seeds are trained one after the other there.
    """

    def running(self, trainer: Trainer) -> contextlib.AbstractContextManager[Trainer]:
        """Return the trainer that computes there, for as long as it is used."""
        ...

    def facts(self) -> dict[str, Any]:
        """Return what ``result.json`` says of the engine afterwards."""
        ...


@dataclasses.dataclass(frozen=True)
class Deployable:
    """The policies of a training that an export needs.

    Attributes:
        greedy: what is exported.
        exploring: what showed the training which observations there are.
        task: index of the task that it was trained for; None if it serves all.
    """

    greedy: Any
    exploring: Any
    task: int | None = None


def refuse_task(task: int | None) -> None:
    """Refuse the index of a task where one network serves all tasks.

    Raises:
        InputError: one is given.
    """
    if task is not None:
        message = "the run learned one network, not one for each task"
        raise InputError(message, where="--task", hint="leave the option out")


@dataclasses.dataclass(frozen=True)
class OnlineTrainer:
    """A trainer that plays and learns in one world, with ``loops.online``.

    Attributes:
        curve_episodes: how many of the evaluation episodes the scores during a training are taken
            over, where decisions are slow; all if None. The final score is over all of them.
    """

    problem: Problem
    plan: LearnerPlan
    evaluation: Evaluation
    curve_episodes: int | None = None

    @property
    def steps(self) -> int:
        """Steps of all copies between two updates."""
        return self.plan.learner.num_envs * self.plan.learner.rollout_steps

    def init_training(self, key: Array) -> Any:
        """Return the training before its first step."""
        world = self.plan.train_world
        training = init_training(key, world, *self.arguments)
        if not getattr(self.plan.learner, "staggered", False):
            return training
        return stagger(world, *self.arguments, training, self.problem.horizon)

    def shapes(self) -> Any:
        """Return the shapes of a training."""
        return init_training.eval_shape(jax.random.key(0), self.plan.train_world, *self.arguments)

    def program(self, example: Any, chunk: int) -> Program:
        """Compile up to ``chunk`` rounds of playing and learning."""
        return compile_rounds(advance, self.plan.train_world, self.arguments, example, chunk)

    def judge(self) -> Callable[[Any], dict[str, float]]:
        """Return what plays the evaluation episodes greedily."""
        inputs = draw_inputs(self.evaluation, self.problem)
        if self.curve_episodes is not None:
            inputs = jax.tree.map(lambda leaf: leaf[:, : self.curve_episodes], inputs)
        missed = self.evaluation.post_termination_reward

        def score(training: Any) -> dict[str, float]:
            policy, world = self.policy_entry(training)
            result = evaluate(
                jax.random.key(0),  # a greedy policy does not use it
                world,
                self.problem.params,
                policy,
                inputs,
                post_termination_reward=missed,
                observe_fn=observe_fn_of(policy, world),
            )
            return {name: float(np.mean(values)) for name, values in result.items()}

        return score

    def before_comparison(self, steps: float) -> int:
        """Return the iterations of ``steps``, rounded up."""
        return math.ceil(steps / self.steps)

    def policy_entry(self, training: Any) -> tuple[Any, World]:
        """Return the greedy policy."""
        return self.plan.learner.policy(training.learner, explore=False), self.plan.world

    def deployable(self, training: Any, task: int | None) -> Deployable:
        """Return the greedy and the exploring policy.

        Raises:
            InputError: a task is named.
        """
        refuse_task(task)
        learner, state = self.plan.learner, training.learner
        return Deployable(learner.policy(state, explore=False), learner.policy(state, explore=True))

    @property
    def arguments(self) -> tuple[Any, Any, Any]:
        """Return the numbers of the training, its stream and its learner."""
        params = self.plan.params_of(self.problem)
        return params, self.problem.train_stream, self.plan.learner


def draw_inputs(plan: Evaluation, problem: Problem) -> Any:
    """Return the inputs of the scenario's evaluation episodes: the same for every policy."""
    return episode_inputs(
        jax.random.key(plan.seed),
        problem.test_stream,
        plan.episodes,
        problem.horizon,
        plan.fixed_inputs,
    )


__all__ = ["Deployable", "Engine", "OnlineTrainer", "Trainer", "draw_inputs", "refuse_task"]
