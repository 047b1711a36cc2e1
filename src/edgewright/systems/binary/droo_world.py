"""DROO's own problem, in which devices with harvested energy decide where to compute.

It is here to check the learner and the quantiser on recorded channels whose enumerated optimum is
published. Only the decision is shared with the binary world; more bits a second are better.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from edgewright.core.features import stacked
from edgewright.core.records import Array, Outcome, record
from edgewright.core.spaces import Box, Discrete
from edgewright.physics.harvest import best_rates_mbps
from edgewright.streams.channel import Fading
from edgewright.streams.compose import Composite
from edgewright.systems.binary.features import gain_db
from edgewright.systems.binary.records import BinaryInputs, BinaryState


@record
class PoweredParams:
    """The numbers of one scenario."""

    weight: Array  # [N] DROO: 1 and 1.5 in turn
    mean_gain: Array  # [N] of the synthetic default channel
    gain_log10_mean: Array
    gain_log10_std: Array
    horizon_slots: Array


@record
class PoweredMetrics:
    """The metrics of one slot, per device ``[N]``."""

    reward: Array  # weighted rate: their sum is DROO's objective
    rate_mbps: Array
    offloaded: Array


@dataclasses.dataclass(frozen=True)
class PoweredWorld:
    """Binary offloading of ``devices`` wirelessly powered devices."""

    devices: int = 10

    def inputs(self, params: PoweredParams) -> Composite:
        """Return Rayleigh fading on given mean gains."""
        channel = Fading(mean_gain=params.mean_gain, shadowing_db=0.0, shape=(self.devices,))
        return Composite(into=BinaryInputs, fields={"gain": channel})

    def reset(self, params: PoweredParams, x: BinaryInputs) -> BinaryState:
        """Return the clock at 0."""
        return BinaryState(slot=jnp.zeros((), jnp.int32))

    def observe(self, params: PoweredParams, state: BinaryState, x: BinaryInputs) -> Array:
        """Return ``[N, 1]``: the gains [dB]."""
        return stacked((gain_db(params),), (self.devices,), self, params, state, x)

    def step(
        self, params: PoweredParams, state: BinaryState, action: Array, x: BinaryInputs
    ) -> Outcome:
        """Share the frame in the best way for this action ``[N]``."""
        rate = best_rates_mbps(params.weight, x.gain, action)
        slot = state.slot + 1
        metrics = PoweredMetrics(
            reward=params.weight * rate, rate_mbps=rate, offloaded=action.astype(jnp.float32)
        )
        return Outcome(
            state=BinaryState(slot=slot),
            reward=metrics.reward,
            terminated=jnp.zeros((), bool),
            truncated=slot >= params.horizon_slots,
            metrics=metrics,
        )

    def observation_space(self, params: PoweredParams) -> Box:
        """Return the gain of every device."""
        return Box.of((gain_db(params),), (self.devices,))

    def action_space(self, params: PoweredParams) -> Discrete:
        """Return one bit per device."""
        return Discrete(2, (self.devices,))
