"""Train for the objective that is scored, the sum of rewards up to a fixed horizon.

An episode is scored over all its slots: one that ends early is paid
``evaluation.post_termination_reward`` for each slot that is left, and after the last slot nothing
counts. The discounted objective of the papers sees neither: an end costs a fixed penalty, and a cut
is valued as if the episode went on. With ``objective = "horizon"`` a learner sees which share of
the episode is over (:class:`WithPhase`) and is paid for the slots that an end leaves out
(:class:`HorizonWorld`); a cut is an end without future value.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from edgewright.core.features import Feature
from edgewright.core.protocols import Policy, Stream
from edgewright.core.records import Array, Decision, Number, Outcome, record
from edgewright.core.spaces import Box, Space
from edgewright.loops.evaluate import PrivilegedObservation

PHASE = Feature("phase", about="share of the episode that is over", low=0.0, high=1.0)


@record
class PhasedState:
    """The state of a world, and the slots since the episode began."""

    inner: Any
    slot: Array  # [] int32


@dataclasses.dataclass(frozen=True)
class WithPhase:
    """A world that shows, as its last feature, which share of the episode is over.

    Attributes:
        world: what is played; all else is asked of it.
        horizon: slots of an episode.
    """

    world: Any
    horizon: int

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.world, name)

    def inputs(self, params: Any) -> Stream[Any]:
        """Return the inputs of the world."""
        return self.world.inputs(params)

    def reset(self, params: Any, x: Any) -> PhasedState:
        """Return the first state of an episode."""
        return PhasedState(inner=self.world.reset(params, x), slot=jnp.zeros((), jnp.int32))

    def observe(self, params: Any, state: PhasedState, x: Any) -> Array:
        """Return the observation ``[*agents, features + 1]``, the phase last."""
        observation = self.world.observe(params, state.inner, x)
        phase = state.slot.astype(jnp.float32) / self.horizon
        column = jnp.broadcast_to(phase, (*observation.shape[:-1], 1))
        return jnp.concatenate([observation, column], axis=-1)

    def step(self, params: Any, state: PhasedState, action: Any, x: Any) -> Outcome:
        """Return the outcome of the world."""
        outcome = self.world.step(params, state.inner, action, x)
        after = PhasedState(inner=outcome.state, slot=state.slot + 1)
        return dataclasses.replace(outcome, state=after)

    def observation_space(self, params: Any) -> Box:
        """Return the space of the world with the phase as its last feature."""
        space = self.world.observation_space(params)
        *agents, columns = space.shape
        if space.features:
            return Box.of((*space.features, PHASE), tuple(agents))
        low, high = (tuple(bound.tolist()) for bound in space.bounds)
        names = (*space.names, PHASE.name) if space.names else ()
        return Box((*low, 0.0), (*high, 1.0), (*agents, columns + 1), names)

    def action_space(self, params: Any) -> Space:
        """Return the space of the world."""
        return self.world.action_space(params)


@record
class HorizonParams:
    """The numbers of a world and of the objective.

    Attributes:
        inner: of the world.
        gamma: discount of the learner.
        missed: reward of each slot that an end leaves out.
    """

    inner: Any
    gamma: Number
    missed: Number


@dataclasses.dataclass(frozen=True)
class HorizonWorld:
    """A world that pays what is scored. It is trained in, never evaluated in.

    Attributes:
        world: what is played.
        horizon: slots of an episode.
    """

    world: Any
    horizon: int

    def inputs(self, params: HorizonParams) -> Stream[Any]:
        """Return the inputs of the world."""
        return self.world.inputs(params.inner)

    def reset(self, params: HorizonParams, x: Any) -> PhasedState:
        """Return the first state of an episode."""
        return PhasedState(inner=self.world.reset(params.inner, x), slot=jnp.zeros((), jnp.int32))

    def observe(self, params: HorizonParams, state: PhasedState, x: Any) -> Array:
        """Return the observation of the world."""
        return self.world.observe(params.inner, state.inner, x)

    def step(self, params: HorizonParams, state: PhasedState, action: Any, x: Any) -> Outcome:
        """Pay the objective of the slot, without shaping, and for what an end leaves out."""
        outcome = self.world.step(params.inner, state.inner, action, x)
        slot = state.slot + 1
        lost = params.missed * params.gamma * discounted_slots(params.gamma, self.horizon - slot)
        return Outcome(
            state=PhasedState(inner=outcome.state, slot=slot),
            reward=outcome.metrics.reward + jnp.where(outcome.terminated, lost, 0.0),
            terminated=outcome.terminated | outcome.truncated,
            truncated=jnp.zeros((), bool),
            metrics=outcome.metrics,
        )

    def observation_space(self, params: HorizonParams) -> Box:
        """Return the space of the world."""
        return self.world.observation_space(params.inner)

    def action_space(self, params: HorizonParams) -> Space:
        """Return the space of the world."""
        return self.world.action_space(params.inner)


@record
class OnHorizon:
    """A rule of a world that is trained for the horizon; it is shown the world's own state."""

    rule: Policy

    def init_carry(self, key: Array) -> Any:
        """Return the memory of the rule. Consumes ``key``."""
        return self.rule.init_carry(key)

    def act(self, key: Array, carry: Any, known: PrivilegedObservation) -> tuple[Any, Decision]:
        """Return the decision of the rule. Consumes ``key``."""
        params, state = known.params, known.state
        params = params.inner if isinstance(params, HorizonParams) else params
        while isinstance(state, PhasedState):
            state = state.inner
        return self.rule.act(
            key, carry, PrivilegedObservation(params=params, state=state, x=known.x)
        )


def with_phase(world: Any, params: Any, horizon: int) -> Any:
    """Return a world that shows the phase: as it is if it does already."""
    shown = PHASE.name in world.observation_space(params).names
    return world if shown else WithPhase(world, horizon)


def without_phase(world: Any) -> Any:
    """Return the world itself, without the phase if it is shown."""
    return world.world if isinstance(world, WithPhase) else world


def discounted_slots(gamma: Number, count: Array) -> Array:
    """Return ``1 + gamma + ... + gamma^(count - 1)``; 0 where ``count`` is not positive."""
    left = jnp.maximum(count, 0).astype(jnp.float32)
    rest = 1.0 - jnp.asarray(gamma, jnp.float32)
    # The closed form is 0 / 0 where nothing is discounted.
    near_one = rest < 1e-6
    return jnp.where(near_one, left, (1.0 - (1.0 - rest) ** left) / jnp.where(near_one, 1.0, rest))


__all__ = [
    "HorizonParams",
    "HorizonWorld",
    "OnHorizon",
    "WithPhase",
    "discounted_slots",
    "with_phase",
    "without_phase",
]
