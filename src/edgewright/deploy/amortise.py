"""Train networks to decide like the planners of a run, on states that both get into.

Dataset aggregation (Ross, Gordon, Bagnell, "A reduction of imitation learning and structured
prediction to no-regret online learning", AISTATS 2011), in its variant without parameters: the
planner plays the first round and the students play all others; the planner says in every state what
it would do, and every round fits the students to all that was said so far. A network that answers
at once for a search is called an amortised policy.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.planning import PlannerPolicy
from edgewright.agents.rule_level import RulePolicy
from edgewright.agents.two_time_scale import TwoLevelPolicy
from edgewright.bundle import Interface
from edgewright.compress.distil import imitate
from edgewright.core.protocols import Policy, World
from edgewright.core.records import Array, Decision, Trajectory, record
from edgewright.core.spaces import Box, Space
from edgewright.deploy.subject import planners
from edgewright.export.layers import run
from edgewright.export.networks import (
    LEVELS,
    dense_layers,
    entry_layers,
    level_layers,
    level_space,
)
from edgewright.export.policy import NumbersPolicy
from edgewright.export.record_head import RecordHead
from edgewright.loops.evaluate import observe_fn_of, plain_observation
from edgewright.loops.unroll import RolloutState, init_rollout, next_rows, unroll
from edgewright.nets.actions import certain_scores, score_count
from edgewright.nets.mlp import init_mlp
from edgewright.scenarios.build import Problem

ROUNDS, COPIES, WIDTHS = 4, 32, (128, 128)
"""Rounds, of which the planner plays the first; copies of the world; hidden layers of a student."""

NO_FIELDS = Interface((), ())
"""Networks become layers without a look at the fields."""

DECISIONS = 8192
"""Decisions of the planner to learn from, over all rounds."""


@dataclasses.dataclass(frozen=True)
class Amortised:
    """A policy without planners, and how it was trained.

    Attributes:
        policy: the policy of the run with a network in the place of every planner.
        rows: observations ``[n, columns]`` that were met.
        rounds: for each round who played, the steps of the world so far, the ``decisions`` of each
            planner in them (those of its own phase alone) and, from the second round on, the
            ``distance`` of each network's decisions to those of its planner in the new states.
    """

    policy: Any
    rows: np.ndarray
    rounds: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Pupil:
    """The task of the network that replaces one planner.

    Attributes:
        space: of what it decides, a part of the action or all of it.
        columns: of the observation that it looks at.
        in_phase: column that says in which steps it decides, and its value there; None for all.
    """

    planner: PlannerPolicy
    space: Space
    columns: tuple[int, ...]
    in_phase: tuple[int, bool] | None

    def chosen(self, rows: np.ndarray) -> np.ndarray:
        """Return which rows ``[n, columns]`` it decides in, ``[n]`` bool."""
        if self.in_phase is None:
            return np.ones(len(rows), bool)
        column, value = self.in_phase
        return (rows[:, column] > 0.5) == value


@record
class Shadowed:
    """One of two policies acts, and the other one says what it would do."""

    planner: Policy
    student: Policy
    by_student: Array  # bool, who acts

    @property
    def needs_state(self) -> bool:
        """Return whether the planner does."""
        return bool(getattr(self.planner, "needs_state", False))

    def init_carry(self, key: Array) -> tuple[Any, Any]:
        """Return the memories of both. Consumes ``key``."""
        keys = jax.random.split(key)
        return self.planner.init_carry(keys[0]), self.student.init_carry(keys[1])

    def act(
        self, key: Array, carry: tuple[Any, Any], observation: Array
    ) -> tuple[tuple[Any, Any], Decision]:
        """Return the action of the one that acts; ``aux`` is that of the planner."""
        keys = jax.random.split(key)
        planner_carry, wanted = self.planner.act(keys[0], carry[0], observation)
        student_carry, given = self.student.act(keys[1], carry[1], observation)

        def chosen(student: Array, planned: Array) -> Array:
            return jnp.where(self.by_student, student, planned)

        action = jax.tree.map(chosen, given.action, wanted.action)
        return (planner_carry, student_carry), Decision(action=action, aux=wanted.action)


def amortise(
    problem: Problem,
    policy: Any,
    *,
    decisions: int = DECISIONS,
    widths: tuple[int, ...] = WIDTHS,
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda name: None,
) -> Amortised:
    """Return a policy whose planners are networks.

    Args:
        problem: with the policy's own world; its training inputs are played.
        policy: a planner, or a policy of two levels with at least one.
        decisions: of the planner to learn from, rounded up to whole steps of all copies.
        widths: of the hidden layers of a network.
        seed: of everything drawn.
    """
    pupils = {name: _pupil(policy, name, problem) for name in planners(policy)}
    start_key, play_key, init_key, fit_key = jax.random.split(jax.random.key(seed), 4)
    nets = {
        name: _untrained(pupil, widths, jax.random.fold_in(init_key, n))
        for n, (name, pupil) in enumerate(pupils.items())
    }
    share = min(_share(problem.world, name) for name in pupils)
    steps, lessons, log = math.ceil(decisions / share / ROUNDS / COPIES), [], []
    carry, rollout = _begun(start_key, problem, policy, replaced(policy, nets))
    for number in range(ROUNDS):
        on_progress(f"round {number + 1} of {ROUNDS}")
        student, by_student = replaced(policy, nets), jnp.asarray(number > 0)
        both = Shadowed(planner=policy, student=student, by_student=by_student)
        carry, inputs = next_rows(problem.train_stream, carry, steps)
        key = jax.random.fold_in(play_key, number)
        rollout, played = _play(key, problem.world, problem.params, both, rollout, inputs)
        lessons.append(_flat(played))
        rows, actions = jax.tree.map(lambda *leaves: np.concatenate(leaves), *lessons)
        decided = {name: int(np.sum(pupil.chosen(rows))) for name, pupil in pupils.items()}
        log.append({"played_by": "student" if number else "planner", "steps": len(rows)})
        log[-1]["decisions"] = decided
        if number:
            apart = {name: _distance(pupils[name], nets[name], *lessons[-1]) for name in nets}
            log[-1]["distance"] = apart
        key, total = jax.random.fold_in(fit_key, number), steps * COPIES * ROUNDS
        nets = {n: _fitted(pupils[n], nets[n], rows, actions, total, key) for n in nets}
    met = np.concatenate([observations for observations, _ in lessons])
    return Amortised(replaced(policy, nets), met, log)


def _share(world: Any, level: str) -> float:
    """Return the share of the steps in which a level decides."""
    if level not in LEVELS:
        return 1.0
    period = world.time_scales.period
    return 1.0 / period if level == "upper" else 1.0 - 1.0 / period


def _begun(key: Array, problem: Problem, policy: Any, student: Any) -> tuple[Any, RolloutState]:
    """Return the inputs and the copies of the world before the first step. Consumes ``key``."""
    start_key, rollout_key = jax.random.split(key)
    stream = problem.train_stream
    carry = jax.vmap(stream.init_carry)(jax.random.split(start_key, COPIES))
    carry, rows = next_rows(stream, carry, 1)
    both = Shadowed(planner=policy, student=student, by_student=jnp.asarray(False))
    x = jax.tree.map(lambda leaf: leaf[0], rows)
    return carry, init_rollout(rollout_key, problem.world, problem.params, both, x)


def replaced(policy: Any, nets: Mapping[str, tuple[Any, ...]]) -> Any:
    """Return a policy with networks, the layers of each by name, in the place of its planners.

    In a policy of two levels a choice is then always the largest of its numbers.
    """
    if not isinstance(policy, TwoLevelPolicy):
        return NumbersPolicy(layers=nets["all"], space=policy.space)
    levels = {}
    for level in LEVELS:
        if isinstance(getattr(policy, level), RulePolicy):
            continue  # stays as it is
        layers = nets[level] if level in nets else level_layers(policy, level, None, NO_FIELDS)
        space = Box(-1.0, 1.0, (score_count(level_space(policy, level)),))
        levels[level] = NumbersPolicy(layers=layers, space=space)
    return dataclasses.replace(policy, **levels, by_threshold=False)


def _pupil(policy: Any, name: str, problem: Problem) -> Pupil:
    if not isinstance(policy, TwoLevelPolicy):
        columns = problem.world.observation_space(problem.params).shape[-1]
        return Pupil(policy, policy.space, tuple(range(columns)), None)
    columns = getattr(policy, f"{name}_columns")
    phase = (policy.phase, name == "upper")
    return Pupil(getattr(policy, name), level_space(policy, name), columns, phase)


def _untrained(pupil: Pupil, widths: tuple[int, ...], key: Array) -> tuple[Any, ...]:
    """Return the layers of a student, which standardises its inputs as the planner's model does."""
    inputs = pupil.planner.model.inputs
    sizes = (len(pupil.columns), *widths, score_count(pupil.space))
    return (*entry_layers(inputs), *dense_layers(init_mlp(key, sizes, last_gain=0.01)))


@functools.partial(jax.jit, static_argnames="world")
def _play(
    key: Array, world: World, params: Any, policy: Shadowed, rollout: RolloutState, inputs: Any
) -> tuple[RolloutState, Trajectory]:
    see = observe_fn_of(policy, world)
    return unroll(key, world, params, policy, rollout, inputs, observe_fn=see)


def _flat(played: Trajectory) -> tuple[np.ndarray, Any]:
    """Return observations ``[n, columns]`` and the planner's actions ``[n, ...]``."""

    def flat(leaf: Array) -> np.ndarray:
        return np.asarray(leaf).reshape(-1, *leaf.shape[2:])

    return flat(plain_observation(played.observation)), jax.tree.map(flat, played.aux)


def _lesson(pupil: Pupil, rows: np.ndarray, actions: Any) -> tuple[Array, Array]:
    """Return what a student looks at ``[m, columns]``, and the scores that it should give."""
    chosen = pupil.chosen(rows)
    wanted = certain_scores(pupil.space, jax.tree.map(lambda leaf: leaf[chosen], actions))
    return jnp.asarray(rows[chosen][:, list(pupil.columns)]), wanted


def _fitted(
    pupil: Pupil,
    layers: tuple[Any, ...],
    rows: np.ndarray,
    actions: Any,
    total: int,
    key: Array,
) -> tuple[Any, ...]:
    """Return a student after training; ``total`` is how many rows there will be in the end."""
    lesson = _lesson(pupil, rows, actions)
    if not len(lesson[0]):  # so far it had nothing to decide
        return layers
    looked_at, wanted = (_repeated(part, total) for part in lesson)
    return imitate(layers, wanted, RecordHead(pupil.space), looked_at, key)


def _repeated(rows: Array, count: int) -> Array:
    """Return ``count`` rows, again from the first one: as many in all rounds compile once."""
    return rows[jnp.arange(count) % len(rows)]


def _distance(
    pupil: Pupil, layers: tuple[Any, ...], rows: np.ndarray, actions: Any
) -> float | None:
    """Return the mean distance of a student's decisions to its planner's; None where it has none.

    An entry of a choice counts 0 where both agree and else 1, a number the difference in units of
    its range; parts count alike.
    """
    looked_at, wanted = _lesson(pupil, rows, actions)
    if not len(looked_at):
        return None
    head = RecordHead(pupil.space)
    given, goal = head(run(layers, looked_at), looked_at), head(wanted, looked_at)
    parts = []
    for output in head.outputs:
        apart = jnp.abs(given[output.name] - goal[output.name])
        number = output.kind == "number"
        parts.append(float(jnp.mean(apart / output.span if number else apart > 0)))
    return float(np.mean(parts))


__all__ = ["Amortised", "amortise"]
