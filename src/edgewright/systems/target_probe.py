"""Define a probe whose actions are numbers that are to hit a target moved by a cue.

The best numbers and their reward are known exactly, so a learner of real numbers is tested against
them (see :mod:`edgewright.systems.probes` for choices).
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from edgewright.core.records import Array, Outcome, record
from edgewright.core.spaces import Box
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Uniform

SLOPE, OFFSET = (0.5, -1.0), (2.0, 1.5)
LOW, HIGH = (0.0, 0.0), (4.0, 3.0)


@record
class TargetParams:
    """Parameters of the probe."""

    horizon_slots: Array


@record
class TargetInputs:
    """Inputs of one slot."""

    cue: Array  # [*agents], from -1 to 1


@record
class TargetState:
    """State between two slots."""

    cue: Array
    slot: Array


@record
class TargetMetrics:
    """Metrics of one slot."""

    reward: Array


@dataclasses.dataclass(frozen=True)
class TargetWorld:
    """A world of agents that choose two numbers each, paid minus their squared miss of a target.

    The target of a cue ``c`` is ``(0.5 c + 2, -c + 1.5)``, within the bounds ``[0, 4]`` and
    ``[0, 3]`` of the numbers, so the best reward is 0 in every slot.

    Attributes:
        agents: how many; 0 is one without an axis of agents.
    """

    agents: int = 0

    @property
    def _axes(self) -> tuple[int, ...]:
        return (self.agents,) if self.agents else ()

    def inputs(self, params: TargetParams) -> Composite:
        """Return a cue for each agent, even between -1 and 1."""
        cue = Uniform(low=jnp.float32(-1.0), high=jnp.float32(1.0), shape=self._axes)
        return Composite(into=TargetInputs, fields={"cue": cue})

    def reset(self, params: TargetParams, x: TargetInputs) -> TargetState:
        """Return the first slot."""
        return TargetState(cue=x.cue, slot=jnp.zeros((), jnp.int32))

    def observe(self, params: TargetParams, state: TargetState, x: TargetInputs) -> Array:
        """Return the cue ``[*agents, 1]``."""
        return state.cue[..., None]

    def step(
        self, params: TargetParams, state: TargetState, action: Array, x: TargetInputs
    ) -> Outcome:
        """Pay for the numbers ``[*agents, 2]``; the next cue is that of ``x``."""
        reward = -jnp.sum(jnp.square(action - self.best_action(state.cue)), axis=-1)
        slot = state.slot + 1
        return Outcome(
            state=TargetState(cue=x.cue, slot=slot),
            reward=reward,
            terminated=jnp.zeros((), bool),
            truncated=slot >= params.horizon_slots,
            metrics=TargetMetrics(reward=reward),
        )

    def observation_space(self, params: TargetParams) -> Box:
        """Return the shape, range and name of the cue."""
        return Box(-1.0, 1.0, (*self._axes, 1), names=("cue",))

    def action_space(self, params: TargetParams) -> Box:
        """Return two numbers with bounds of their own."""
        return Box(LOW, HIGH, (*self._axes, 2))

    def best_action(self, cue: Array) -> Array:
        """Return the optimal numbers ``[*agents, 2]``."""
        return jnp.asarray(SLOPE) * cue[..., None] + jnp.asarray(OFFSET)


__all__ = ["TargetMetrics", "TargetParams", "TargetWorld"]
