"""The world of SE-PPO, in which devices choose location and quality of generative tasks.

In every slot each device has one task (input size, work, user mode) and chooses a location (itself
or one of ``N`` servers) and one of ``K`` quality levels. Backlogs, battery and the load of others
follow. Equations are those of the SE-PPO paper; readings are in ``docs/concepts/aigc.md``.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from edgewright.core.features import stacked
from edgewright.core.records import Array, Outcome
from edgewright.core.spaces import Box, Discrete
from edgewright.core.units import MBIT_PER_MB
from edgewright.physics import queues
from edgewright.streams.arrivals import CompoundPoisson
from edgewright.streams.compose import Composite
from edgewright.streams.processes import (
    Categorical,
    Constant,
    ReflectedWalk,
    Uniform,
)
from edgewright.systems.aigc.costs import Service, pick, price, settle
from edgewright.systems.aigc.features import features
from edgewright.systems.aigc.records import AigcInputs, AigcMetrics, AigcParams, AigcState
from edgewright.systems.aigc.structure import AigcStructure


@dataclasses.dataclass(frozen=True)
class AigcWorld(AigcStructure):
    """Joint location and quality offloading for ``devices`` devices and ``servers`` servers.

    Memory and time of a slot are O(M k + N) for ``k`` servers in reach of each device.
    """

    def inputs(self, params: AigcParams) -> Composite:
        """Return the paper's synthetic inputs, with compound Poisson load from other users."""
        each, every = (self.devices,), (self.servers,)
        return Composite(
            into=AigcInputs,
            fields={
                "input_mb": Uniform(low=10.0, high=25.0, shape=each),
                "work_gcycles": Uniform(low=3.0, high=8.0, shape=each),
                "mode": Categorical(probabilities=jnp.full(3, 1 / 3), shape=each),
                "bandwidth_mbps": ReflectedWalk(low=50.0, high=150.0, step_std=8.0, shape=each),
                "background_gcps": CompoundPoisson(
                    utilisation=params.background_utilisation,
                    capacity=params.server_ghz,
                    interval=params.slot_s,
                    job_low=3.0,
                    job_high=8.0,
                    multipliers=params.quality_multiplier,
                    shape=every,
                ),
                "initial_charge_pct": Uniform(low=12.0, high=100.0, shape=each),
                "gap_s": Constant(value=params.slot_s),
            },
        )

    def reset(self, params: AigcParams, x: AigcInputs) -> AigcState:
        """Return empty queues and the charge that ``x`` brings."""
        return AigcState(
            charge_pct=x.initial_charge_pct,
            local_backlog_gcycles=jnp.zeros(self.devices),
            server_backlog_gcycles=jnp.zeros(self.queue_count),
            local_idle_slots=jnp.zeros(self.devices),
            server_idle_slots=jnp.zeros(self.queue_count),
            slot=jnp.zeros((), jnp.int32),
            uplink_backlog_mb=jnp.zeros(self.devices) if self.uplink == "queue" else None,
        )

    def observe(self, params: AigcParams, state: AigcState, x: AigcInputs) -> Array:
        """Return ``[M, F]`` in physical units; see ``systems.aigc.features``."""
        return stacked(features(self), (self.devices,), self, params, state, x)

    def step(self, params: AigcParams, state: AigcState, action: Array, x: AigcInputs) -> Outcome:
        """Serve one task of every device. ``action`` is ``[M]`` int."""
        location, level = self.decode(action)
        service = price(self, params, state, x, location, level)
        active = state.charge_pct >= params.charge_floor_pct
        queue = self.queue(params, location)
        sent = self._sent(service, queue, active)
        full = state.server_backlog_gcycles + sent > params.load_limit_gcycles
        overflowing = full & (sent > 0)
        over = (queue >= 0) & pick(overflowing, queue)
        settled = settle(self, params, state, x, service, over, active)
        overloaded = jnp.zeros((), bool)
        if self.overflow == "reject":
            sent = jnp.where(overflowing, 0.0, sent)
        else:
            overloaded = jnp.any(overflowing)
        served = settled.served
        local_work = jnp.where(served & (location == 0), service.work_gcycles, 0.0)
        uploaded_mb = jnp.where(served & (location > 0), x.input_mb, 0.0)
        slot = state.slot + 1
        terminated = overloaded | jnp.all(settled.spent)
        penalty = params.terminal_reward * (active & (settled.spent | overloaded))
        return Outcome(
            state=dataclasses.replace(
                self._after(params, state, x, local_work, sent, settled.charge_pct, slot),
                uplink_backlog_mb=self._uplink_after(state, x, uploaded_mb),
            ),
            reward=settled.reward * active + penalty,
            terminated=terminated,
            truncated=(slot >= params.horizon_slots) & ~terminated,
            metrics=AigcMetrics(
                reward=settled.reward,
                delay_s=service.delay_s * served,
                energy_j=service.energy_j * served,
                device_energy_j=settled.drawn_j,
                edge_energy_j=service.edge_energy_j * served,
                quality=service.quality * served,
                served=served.astype(jnp.float32),
                charge_pct=state.charge_pct,
                mode=x.mode,
                location=location,
                level=level,
            ),
        )

    def _uplink_after(self, state: AigcState, x: AigcInputs, uploaded_mb: Array) -> Array | None:
        """Return what a device has still to send ``[M]`` when the gap is over."""
        if state.uplink_backlog_mb is None:
            return None
        rate_mb = x.bandwidth_mbps / MBIT_PER_MB
        return queues.drain(state.uplink_backlog_mb + uploaded_mb, rate_mb, x.gap_s)

    def _sent(self, service: Service, queue: Array, active: Array) -> Array:
        """Return the work that active devices send to each queue."""
        work = jnp.where(active & (queue >= 0), service.work_gcycles, 0.0)
        return queues.arrivals_by_server(work, queue, self.queue_count)

    def _after(
        self,
        params: AigcParams,
        state: AigcState,
        x: AigcInputs,
        local_work: Array,
        sent: Array,
        charge: Array,
        slot: Array,
    ) -> AigcState:
        """Add the new work, let others bring theirs, and let every queue drain for the gap."""
        loaded = state.server_backlog_gcycles + sent
        room = jnp.maximum(0.0, params.background_cap * params.load_limit_gcycles - loaded)
        background = jnp.minimum(self.at_queues(params, x.background_gcps) * x.gap_s, room)
        server_ghz = self.at_queues(params, params.server_ghz)
        server = queues.drain(loaded + background, server_ghz, x.gap_s)
        local_before = state.local_backlog_gcycles + local_work
        local = queues.drain(local_before, params.device_ghz, x.gap_s)
        return AigcState(
            charge_pct=charge,
            local_backlog_gcycles=local,
            server_backlog_gcycles=server,
            local_idle_slots=jnp.where(local_before > 0, 0.0, state.local_idle_slots + 1),
            server_idle_slots=jnp.where(loaded + background > 0, 0.0, state.server_idle_slots + 1),
            slot=slot,
        )

    def observation_space(self, params: AigcParams) -> Box:
        """Return the features of every device: names, units, scales and bounds."""
        return Box.of(features(self), (self.devices,))

    def action_space(self, params: AigcParams) -> Discrete:
        """Return one index per device, location-major: ``location * K + level``."""
        return Discrete(self.actions, (self.devices,))
