"""Imagine candidates with a model, score what they lead to, and search for the best.

A model is anything with a function ``step(key, state, actions) -> (next state, scores)`` for ``J``
candidates side by side, so a world's own physics is searched by the same :func:`imagined` as the
learned :class:`WorldModel` (see ``rules/cem.py`` for the search). Time is one axis and is scanned:
the score of step ``t`` belongs to the state and the action of ``t``, and no array has the axes of
members, steps and candidates at once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from edgewright.agents.world_model import Prediction, WorldModel
from edgewright.core.records import Array, Decision, record, static
from edgewright.core.spaces import Box
from edgewright.nets.actions import from_units
from edgewright.rules import cem, free_energy

FreeEnergy = Literal["expected", "risk", "as-run"]
Strategy = Literal["information", "variance", "disagreement", "random", "none"]
Estimator = Literal["lower", "upper", "moments", "knn"]
Particles = Literal["common", "sampled", "mean"]

Step = Callable[[Array, Any, Array], tuple[Any, Array]]
"""(key, state of ``J`` candidates, actions ``[J, A]``) to (next state, scores ``[J]``)."""


def imagined(
    key: Array, step: Step, start: Callable[[int], Any], candidates: Array, blocks: int = 1
) -> Array:
    """Return the summed scores ``[J]`` of candidates ``[J, H, A]``.

    Args:
        key: consumed; all blocks imagine with the same chance.
        step: the model; its state is all that is kept of ``H`` steps.
        start: (number of candidates) to their first state.
        blocks: parts that candidates are imagined in, one after the other; a divisor of ``J``.
    """
    count, steps, _ = candidates.shape
    keys = jax.random.split(key, steps)

    def move(carry: tuple[Any, Array], row: tuple[Array, Array]) -> tuple[Any, None]:
        state, score = step(row[0], carry[0], row[1])
        return (state, carry[1] + score), None

    def scores(block: Array) -> Array:
        first = (start(count // blocks), jnp.zeros(count // blocks))
        return jax.lax.scan(move, first, (keys, jnp.swapaxes(block, 0, 1)))[0][1]

    if blocks == 1:
        return scores(candidates)
    parts = candidates.reshape(blocks, count // blocks, *candidates.shape[1:])
    return jax.lax.map(scores, parts).reshape(count)


@record
class Objective:
    """Score a step by minus its free energy, see ``rules/free_energy.py``.

    Attributes:
        epistemic_weight: of the epistemic value, in standardised rewards per nat.
        goal, goal_variance: of the preferred reward, standardised as the model's rewards.
        free_energy: ``"expected"`` is the mean reward plus the epistemic value, ``"risk"`` has the
            risk in place of the reward, ``"as-run"`` is Gould's formula, which has neither weight
            nor strategy.
        strategy, estimator: of the epistemic value.
        reward_informs: whether the reward is one of the outcomes that inform about the model.
    """

    epistemic_weight: Array | float
    goal: Array | float = 0.0
    goal_variance: Array | float = 1.0
    free_energy: FreeEnergy = static(default="expected")
    strategy: Strategy = static(default="information")
    estimator: Estimator = static(default="lower")
    reward_informs: bool = static(default=True)

    def __call__(self, key: Array, predicted: Prediction) -> Array:
        """Return the scores ``[J]`` of one step, to be maximised. Consumes ``key``."""
        if self.free_energy == "as-run":
            law = jax.vmap(free_energy.as_run, in_axes=(1, 1, 1, None, None))
            reward = (predicted.reward_mean, predicted.reward_variance)
            return -law(*reward, predicted.state_variance, self.goal, self.goal_variance)
        extrinsic = predicted.reward_mean
        if self.free_energy == "risk":
            law = (extrinsic, predicted.reward_variance, self.goal, self.goal_variance)
            extrinsic = -free_energy.risk(*law)
        extrinsic = jnp.mean(extrinsic, axis=0)
        if self.strategy == "none":
            return extrinsic
        return extrinsic + self.epistemic_weight * self.epistemic(key, predicted)

    def epistemic(self, key: Array, predicted: Prediction) -> Array:
        """Return the epistemic values ``[J]``. Consumes ``key``."""
        candidates = predicted.reward_mean.shape[1]
        if self.strategy == "random":
            return jax.random.normal(key, (candidates,))
        mean, variance = predicted.change_mean, predicted.change_variance
        if self.reward_informs:
            mean = jnp.concatenate([mean, predicted.reward_mean[..., None]], axis=-1)
            variance = jnp.concatenate([variance, predicted.reward_variance[..., None]], axis=-1)
        if self.strategy == "information" and self.estimator == "knn":
            keys = jax.random.split(key, candidates)
            return jax.vmap(free_energy.gain_knn, in_axes=(0, 1, 1))(keys, mean, variance)
        values = {
            "variance": free_energy.total_variance,
            "disagreement": free_energy.disagreement,
            "lower": free_energy.gain_lower,
            "upper": free_energy.gain_upper,
            "moments": free_energy.gain_moments,
        }
        name = self.estimator if self.strategy == "information" else self.strategy
        return jax.vmap(values[name], in_axes=(1, 1))(mean, variance)


def model_step(model: WorldModel, objective: Objective, particles: Particles) -> Step:
    """Return the step of a learned model, whose state ``[E, J, S]`` is one particle per member.

    Args:
        particles: ``"sampled"`` draws the next state of each, ``"common"`` draws once for all
            candidates, which are then compared under equal chance, ``"mean"`` draws nothing.
    """

    def step(key: Array, state: Array, action: Array) -> tuple[Array, Array]:
        draw_key, value_key = jax.random.split(key)
        predicted = model.predict(state, action)
        score = objective(value_key, predicted)
        if particles == "mean":
            return predicted.state_mean, score
        members, candidates, columns = state.shape
        shape = (members, 1 if particles == "common" else candidates, columns)
        noise = jax.random.normal(draw_key, shape)
        return predicted.state_mean + jnp.sqrt(predicted.state_variance) * noise, score

    return step


@record
class PlannerPolicy:
    """A policy that searches for the plan with the least free energy in every slot.

    Attributes:
        noise: deviation of what is added to an action in [-1, 1] while exploring.
        uniform: whether exploring takes uniform actions instead.
        warm_start: whether a search starts from the last plan, one step later.
    """

    model: WorldModel
    objective: Objective
    search: cem.CEM
    space: Box = static()  # of the actions
    noise: Array | float = 0.0
    uniform: Array | bool = False
    horizon: int = static(default=1)
    particles: Particles = static(default="common")
    blocks: int = static(default=1)
    warm_start: bool = static(default=True)
    explore: bool = static(default=False)

    def init_carry(self, key: Array) -> cem.Plan | tuple[()]:
        """Return the plan that the first search starts from; nothing if none is kept."""
        return self._blank() if self._kept else ()

    def act(
        self, key: Array, carry: cem.Plan | tuple[()], observation: Array
    ) -> tuple[cem.Plan | tuple[()], Decision]:
        """Return an action of the space's shape, and the plan."""
        plan_key, noise_key = jax.random.split(key)
        if not self.explore:
            plan = self.plan(plan_key, carry, observation)
            numbers = cem.answer(self.search, plan)
        else:
            numbers, plan = jax.lax.cond(
                self.uniform,
                lambda: self._drawn(noise_key),
                lambda: self._disturbed(noise_key, self.plan(plan_key, carry, observation)),
            )
        action = from_units(self.space, jnp.clip(numbers, -1.0, 1.0))
        return plan if self._kept else (), Decision(action=action, aux=())

    def plan(self, key: Array, carry: cem.Plan | tuple[()], observation: Array) -> cem.Plan:
        """Return the plan from an observation ``[S]``. Consumes ``key``."""
        members = self.model.transition.members
        state = self.model.inputs.scaled(observation)
        step = model_step(self.model, self.objective, self.particles)

        def begin(candidates: int) -> Array:
            return jnp.broadcast_to(state, (members, candidates, *state.shape))

        def score(key: Array, candidates: Array) -> Array:
            return imagined(key, step, begin, candidates, self.blocks)

        start = self._blank()
        if isinstance(carry, cem.Plan):
            later = cem.shifted(carry)
            mean = later.mean if self.warm_start else start.mean
            start = dataclasses.replace(later, mean=mean)
        bound = jnp.ones(self._numbers)
        return cem.search(key, self.search, score, start, -bound, bound)

    @property
    def _numbers(self) -> int:
        return math.prod(self.space.shape)

    @property
    def _kept(self) -> bool:
        return self.warm_start or self.search.elite_memory

    def _blank(self) -> cem.Plan:
        return cem.no_plan(self.search, jnp.zeros((self.horizon, self._numbers)))

    def _drawn(self, key: Array) -> tuple[Array, cem.Plan]:
        drawn = jax.random.uniform(key, (self._numbers,), minval=-1.0, maxval=1.0)
        return drawn, self._blank()

    def _disturbed(self, key: Array, plan: cem.Plan) -> tuple[Array, cem.Plan]:
        noise = self.noise * jax.random.normal(key, (self._numbers,))
        return cem.answer(self.search, plan) + noise, plan


__all__ = [
    "Estimator",
    "FreeEnergy",
    "Objective",
    "Particles",
    "PlannerPolicy",
    "Strategy",
    "imagined",
    "model_step",
]
