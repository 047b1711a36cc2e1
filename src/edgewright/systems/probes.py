"""Define probes, tiny worlds of known value that show which part of a learner is broken.

After Andy Jones, "Debugging Reinforcement Learning Systems" (2021), and two that separate
truncation from termination. One world, one set of numbers per probe: a learner compiles once.

| probe | what happens | exact value | a learner that fails it |
|---|---|---|---|
| ``constant`` | one slot, reward 1 | 1 | has a broken loss or optimiser |
| ``cue`` | one slot, reward = cue seen, -1 or +1 | the cue | does not use the observation |
| ``late`` | two slots, reward 1 in the last | gamma, then 1 | does not discount or bootstrap |
| ``action`` | one slot, reward +1 for action 1, else -1 | 1 | does not follow advantages |
| ``match`` | one slot, reward +1 for the cue's action, else -1 | 1 | cannot join the two |
| ``clock`` | reward 1, truncated after a slot | 1 / (1 - gamma) | treats truncation as an end |
| ``finite`` | reward 1, ends after three slots | 1 + ... + gamma^2, then less | or the reverse |
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from edgewright.core.errors import InputError, nearest
from edgewright.core.records import Array, Outcome, record
from edgewright.core.spaces import Box, Discrete
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Categorical


@record
class ProbeParams:
    """The numbers that make a probe. All ``[]`` float32."""

    slots: Array  # length of an episode
    by_clock: Array  # 1: the clock cuts the episode (truncated); 0: it ends (terminated)
    reward_base: Array  # paid in every slot
    reward_last: Array  # paid in the last slot
    reward_cue: Array  # paid times the cue
    reward_action: Array  # paid for action 1, taken for action 0
    reward_match: Array  # paid for the action that equals the cue, taken for the other
    cue_seen: Array  # 1: the cue, -1 or +1, is observed
    slot_seen: Array  # 1: the number of the slot is observed


@record
class ProbeInputs:
    """The inputs of one slot."""

    cue: Array  # [] int32, 0 or 1 (shown as -1 or +1); an episode keeps the first


@record
class ProbeState:
    """The state of the world between slots."""

    cue: Array  # [] -1 or +1
    slot: Array  # [] int32


@record
class ProbeMetrics:
    """The metrics of one slot."""

    reward: Array
    matched: Array  # 1 if the action equals the cue


@dataclasses.dataclass(frozen=True)
class ProbeWorld:
    """A single decision maker with two actions and two features, the cue and the slot.

    The reward of a slot is ``base + last [slot is the last] + cue_weight * cue
    + action_weight * (2 a - 1) + match_weight * (+1 if a equals the cue, else -1)``.
    """

    def inputs(self, params: ProbeParams) -> Composite:
        """Return fair coins."""
        return Composite(
            into=ProbeInputs, fields={"cue": Categorical(probabilities=jnp.full(2, 0.5))}
        )

    def reset(self, params: ProbeParams, x: ProbeInputs) -> ProbeState:
        """Return the first slot, with the cue that ``x`` brings."""
        return ProbeState(cue=2.0 * x.cue - 1.0, slot=jnp.zeros((), jnp.int32))

    def observe(self, params: ProbeParams, state: ProbeState, x: ProbeInputs) -> Array:
        """Return ``[2]``: the cue and the slot, each 0 where the probe hides it."""
        slot = state.slot.astype(jnp.float32)
        return jnp.stack([params.cue_seen * state.cue, params.slot_seen * slot])

    def step(
        self, params: ProbeParams, state: ProbeState, action: Array, x: ProbeInputs
    ) -> Outcome:
        """Pay for one action, 0 or 1."""
        slot = state.slot + 1
        over = slot >= params.slots
        sign = 2.0 * action - 1.0
        matched = sign == state.cue
        reward = (
            self._fixed_reward(params, state.cue, over)
            + params.reward_action * sign
            + params.reward_match * jnp.where(matched, 1.0, -1.0)
        )
        cut = params.by_clock > 0
        return Outcome(
            state=ProbeState(cue=state.cue, slot=slot),
            reward=reward,
            terminated=over & ~cut,
            truncated=over & cut,
            metrics=ProbeMetrics(reward=reward, matched=matched.astype(jnp.float32)),
        )

    def observation_space(self, params: ProbeParams) -> Box:
        """Return the shape, range and names of the features."""
        return Box(-1.0, jnp.inf, (2,), ("cue", "slot"))

    def action_space(self, params: ProbeParams) -> Discrete:
        """Return two choices."""
        return Discrete(2)

    def best_action(self, params: ProbeParams, cue: Array) -> Array:
        """Return the optimal action, int32; 0 where actions do not matter."""
        gain = params.reward_action + params.reward_match * cue
        return (gain > 0).astype(jnp.int32)

    def value(self, params: ProbeParams, cue: Array, slot: Array, gamma: Array | float) -> Array:
        """Return the exact value of the optimal policy in ``slot`` of an episode with ``cue``.

        ``sum_k gamma^k r`` over the slots that are left; the sum never ends where only the clock
        cuts the episode. Exact for the numbers of :func:`probe`: with ``by_clock`` the rewards
        must not depend on the slot.
        """
        sign = 2.0 * self.best_action(params, cue) - 1.0
        best = params.reward_action * sign + params.reward_match * sign * cue
        each = best + self._fixed_reward(params, cue, jnp.zeros((), bool))
        left = params.slots - slot
        finite = each * (1 - gamma**left) / (1 - gamma) + params.reward_last * gamma ** (left - 1)
        endless = (each + params.reward_last) / (1 - gamma)
        return jnp.where(params.by_clock > 0, endless, finite)

    def _fixed_reward(self, params: ProbeParams, cue: Array, last: Array) -> Array:
        """Return the part of the reward that no action changes."""
        return params.reward_base + params.reward_last * last + params.reward_cue * cue


@dataclasses.dataclass(frozen=True)
class NumberProbe(ProbeWorld):
    """The probes with a number from -1 to 1 in the place of two choices: same best values."""

    def step(
        self, params: ProbeParams, state: ProbeState, action: Array, x: ProbeInputs
    ) -> Outcome:
        """Pay for the number as for the better choice at 1, and linearly less below."""
        outcome = super().step(params, state, jnp.ones((), jnp.int32), x)
        gain = params.reward_action + params.reward_match * state.cue
        return dataclasses.replace(outcome, reward=outcome.reward + gain * (action - 1.0))

    def action_space(self, params: ProbeParams) -> Any:
        """Return one number."""
        return Box(-1.0, 1.0, ())


_NUMBERS = {
    "constant": {"reward_base": 1.0},
    "cue": {"reward_cue": 1.0, "cue_seen": 1.0},
    "late": {"slots": 2.0, "reward_last": 1.0, "slot_seen": 1.0},
    "action": {"reward_action": 1.0},
    "match": {"reward_match": 1.0, "cue_seen": 1.0},
    "clock": {"reward_base": 1.0, "by_clock": 1.0},
    "finite": {"slots": 3.0, "reward_base": 1.0, "slot_seen": 1.0},
}

PROBES = tuple(_NUMBERS)
"""The names of the probes, simplest first: debug the first that fails."""


def probe(name: str) -> ProbeParams:
    """Return the numbers of the probe ``name``, one of :data:`PROBES`."""
    if name not in _NUMBERS:
        raise InputError(f"no probe '{name}'", where="probe", hint=nearest(name, PROBES))
    numbers = {field.name: 0.0 for field in dataclasses.fields(ProbeParams)}
    numbers |= {"slots": 1.0, **_NUMBERS[name]}
    return ProbeParams(**{key: jnp.float32(value) for key, value in numbers.items()})
