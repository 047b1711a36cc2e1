"""The world of MRL, in which devices offload over one uplink to one edge processor.

In every slot each device has a task and computes it or sends it. Slots are independent (the state
is a clock), so every slot is a one-shot problem. It is a learning problem because the numbers of
the scenario are hidden: a learner observes the gains only. Readings are in
``docs/concepts/binary.md``.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp

from edgewright.core.features import stacked
from edgewright.core.records import Array, Outcome
from edgewright.core.spaces import Box, Discrete
from edgewright.physics import radio
from edgewright.streams.channel import Fading
from edgewright.streams.compose import Composite
from edgewright.systems.binary import delay
from edgewright.systems.binary.features import features
from edgewright.systems.binary.records import BinaryInputs, BinaryMetrics, BinaryParams, BinaryState


@dataclasses.dataclass(frozen=True)
class BinaryWorld:
    """Binary offloading for ``devices`` devices.

    Attributes:
        objective: ``coupled`` shares uplink and edge by the square-root law, ``equal_share``
            equally, ``separable`` gives each device its own (MRL as written).
        obs: ``gain`` shows the gains only, ``scenario`` what is hidden as well.
        masked: show which places hold a device, as a last feature.
    """

    devices: int = 10
    objective: delay.Objective = "coupled"
    obs: Literal["gain", "scenario"] = "gain"
    masked: bool = False

    def inputs(self, params: BinaryParams) -> Composite:
        """Return the synthetic channel: path loss, shadowing and Rayleigh fading, slot by slot."""
        loss_db = jnp.where(
            params.obstructed > 0.5,
            radio.obstructed_loss_db(params.distance_m),
            radio.line_of_sight_loss_db(params.distance_m),
        )
        channel = Fading(
            mean_gain=radio.power_gain(loss_db),
            shadowing_db=params.shadowing_db,
            shape=(self.devices,),
        )
        return Composite(into=BinaryInputs, fields={"gain": channel})

    def reset(self, params: BinaryParams, x: BinaryInputs) -> BinaryState:
        """Return the clock at 0."""
        return BinaryState(slot=jnp.zeros((), jnp.int32))

    def observe(self, params: BinaryParams, state: BinaryState, x: BinaryInputs) -> Array:
        """Return ``[N, F]`` in physical units; see ``systems.binary.features``."""
        return stacked(features(self, params), (self.devices,), self, params, state, x)

    def step(
        self, params: BinaryParams, state: BinaryState, action: Array, x: BinaryInputs
    ) -> Outcome:
        """Serve one task of every device. ``action`` is ``[N]``, 1 to offload."""
        need = delay.needs(params, x.gain)
        offload = action * (params.present > 0)
        weighted_s = delay.device_s(self.objective, need, offload)
        weight = params.weight * params.present
        delay_s = weighted_s / jnp.where(weight > 0, weight, 1.0)
        slot = state.slot + 1
        return Outcome(
            state=BinaryState(slot=slot),
            reward=-weighted_s,
            terminated=jnp.zeros((), bool),
            truncated=slot >= params.horizon_slots,
            metrics=BinaryMetrics(
                reward=-weighted_s,
                delay_s=delay_s,
                weighted_delay_s=weighted_s,
                offloaded=offload.astype(jnp.float32),
                device_energy_j=delay.energy_j(self.objective, params, need, offload),
            ),
        )

    def observation_space(self, params: BinaryParams) -> Box:
        """Return the features of every device: names, units, scales and bounds."""
        return Box.of(features(self, params), (self.devices,))

    def action_space(self, params: BinaryParams) -> Discrete:
        """Return one bit per device."""
        return Discrete(2, (self.devices,))
