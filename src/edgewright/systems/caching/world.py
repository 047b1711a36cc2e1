"""The world of HADRL, in which servers cache services and users choose among servers.

An epoch begins with a step that places services in the caches. In each of its slots every user
then asks for one service and sends its input to a server, which computes it if it holds the service
and else sends it on to the cloud. Readings are in ``docs/concepts/caching.md``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Outcome
from edgewright.core.spaces import Box, Discrete, Record
from edgewright.core.time_scales import TimeScales
from edgewright.physics import caching, queues
from edgewright.streams.channel import Fading
from edgewright.streams.compose import Composite
from edgewright.streams.popularity import ZipfRequests
from edgewright.streams.processes import Uniform
from edgewright.systems.caching.features import features, inverted, observed, stems
from edgewright.systems.caching.latency import Latency, cell_of, latency, task
from edgewright.systems.caching.records import (
    CachingInputs,
    CachingMetrics,
    CachingParams,
    CachingState,
)
from edgewright.systems.caching.structure import CachingStructure

_GAIN_SCALE = 1e10
_BIT_PER_MIB = 8.0 * 2.0**20


@dataclasses.dataclass(frozen=True)
class CachingWorld(CachingStructure):
    """Caching in epochs and offloading in slots, for one decision maker that decides for all."""

    @property
    def time_scales(self) -> TimeScales:
        """Return which parts and features belong to epochs and which to slots."""
        upper, lower = stems(self)
        return TimeScales(self.period, ("cache",), upper, lower, "placing")

    def inputs(self, params: CachingParams) -> Composite:
        """Return Zipf requests, positions drawn anew in each slot, and Rayleigh fading."""
        edge_m, each = params.cell * params.cell_m, (self.users,)
        return Composite(
            into=CachingInputs,
            fields={
                "service": ZipfRequests(exponent=0.8, services=self.services, shape=each),
                "x_m": Uniform(low=edge_m, high=edge_m + params.cell_m, shape=each),
                "y_m": Uniform(low=0.0, high=params.cell_m, shape=each),
                "fading": Fading(mean_gain=1.0, shadowing_db=0.0, shape=(*each, self.servers)),
            },
        )

    def reset(self, params: CachingParams, x: CachingInputs) -> CachingState:
        """Return empty caches and queues, and averages that know of no service more than of others.

        Nobody has asked for anything yet.
        """
        table = (self.servers, self.services)
        return CachingState(
            cached=jnp.zeros(table),
            demand=jnp.full(table, self.users / (self.servers * self.services)),
            last_request=jnp.full(table, 1.0) * params.horizon_slots,
            backlog_gcycles=jnp.zeros(self.servers),
            switch_cost_s=jnp.zeros(()),
            counts=jnp.zeros(table),
            gain=jnp.zeros(self.services),
            leftover_mhz=jnp.broadcast_to(params.bandwidth_mhz, (self.servers,)),
            leftover_ghz=jnp.broadcast_to(params.server_ghz, (self.servers,)),
            slot=jnp.zeros((), jnp.int32),
        )

    def observe(self, params: CachingParams, state: CachingState, x: CachingInputs) -> Array:
        """Return the observation ``[columns]``; see ``systems.caching.features``."""
        return observed(self, params, state, x)

    def placed(self, params: CachingParams, cached: Array, priority: Array) -> Array:
        """Return the caches ``[M, K]`` after a decision about them.

        With ``capacity = "projected"`` every server keeps what fits, from the highest priority
        (:func:`edgewright.physics.caching.fit`). With ``"published"`` all servers take everything
        that is wanted if the *old* content of any of them is within the usable share of its cache:
        so works the published loop, which tests what it replaces and never the new content.
        """
        if self.capacity == "projected":
            capacity_mib = jnp.broadcast_to(params.cache_gib, (self.servers,)) * 1024.0
            fit = jax.vmap(caching.fit, in_axes=(0, None, 0))
            return fit(priority, params.service_mib, capacity_mib)
        held_mib = cached @ params.service_mib
        allowed = jnp.any(held_mib <= params.usable_share * params.cache_gib * 1024.0)
        return jnp.where(allowed, (priority > 0).astype(jnp.float32), cached)

    def step(
        self, params: CachingParams, state: CachingState, action: Any, x: CachingInputs
    ) -> Outcome:
        """Place services, or serve one request of every user.

        Args:
            action: a record with ``cache`` ``[M, K]``, read at the beginning of an epoch, and
                ``server`` ``[U]`` (and weights ``bandwidth``, ``speed`` ``[U]``), read in slots.
        """
        placing = self.placing(state.slot)
        cached = self.placed(params, state.cached, jnp.asarray(action["cache"]))
        served = self._latency(params, state, action, x)
        after_placing = dataclasses.replace(
            state,
            cached=cached,
            switch_cost_s=caching.fetch_s(
                state.cached, cached, params.service_mib, params.backhaul_mib_s
            ),
            leftover_mhz=jnp.broadcast_to(params.bandwidth_mhz, (self.servers,)),
            leftover_ghz=jnp.broadcast_to(params.server_ghz, (self.servers,)),
        )
        after_slot = self._after_slot(params, state, action["server"], x, served)
        following = jax.tree.map(lambda a, b: jnp.where(placing, a, b), after_placing, after_slot)
        slot = state.slot + 1
        metrics = self._metrics(params, state, x, served, placing)
        return Outcome(
            state=dataclasses.replace(following, slot=slot),
            reward=metrics.reward,
            terminated=jnp.zeros((), bool),
            truncated=slot >= params.horizon_slots,
            metrics=metrics,
        )

    def _latency(
        self, params: CachingParams, state: CachingState, action: Any, x: CachingInputs
    ) -> Latency:
        weights = None
        if self.shares == "action":
            weights = (jnp.asarray(action["bandwidth"]), jnp.asarray(action["speed"]))
        asked = task(self, params, state, x)
        return latency(self, params, state, asked, jnp.asarray(action["server"]), weights)

    def _after_slot(
        self,
        params: CachingParams,
        state: CachingState,
        server: Array,
        x: CachingInputs,
        served: Latency,
    ) -> CachingState:
        """Count the requests, and let the queues drain for a slot."""
        request = self.requested(x.service)
        asked = self.chosen(cell_of(self, params, x)).T @ request
        counts = state.counts + self.chosen(server).T @ (request * served.hit[:, None])
        backlog = state.backlog_gcycles
        if self.queues:
            arrived = backlog + served.edge_gcycles
            backlog = queues.drain(arrived, params.server_ghz, params.slot_s)
        past = params.demand_memory
        per_bit = _GAIN_SCALE / (params.service_mib * _BIT_PER_MIB)
        return dataclasses.replace(
            state,
            demand=past * state.demand + (1.0 - past) * asked,
            last_request=jnp.where(asked > 0, 0.0, state.last_request + 1.0),
            backlog_gcycles=backlog,
            counts=counts,
            gain=inverted((state.gain + jnp.sum(request, axis=0)) * per_bit),
            leftover_mhz=params.bandwidth_mhz - served.used_mbit,
            leftover_ghz=params.server_ghz - (request @ params.work_gcycles) @ self.chosen(server),
        )

    def _metrics(
        self,
        params: CachingParams,
        state: CachingState,
        x: CachingInputs,
        served: Latency,
        placing: Array,
    ) -> CachingMetrics:
        """Return what a step is judged by; a step that places services has no latency."""
        serving = 1.0 - placing.astype(jnp.float32)
        each = jnp.broadcast_to(serving, (self.users,))
        cost_s = state.switch_cost_s
        mean_s = jnp.mean(served.total_s)
        if self.objective == "latency":
            lower = -mean_s
            upper = lower - params.switch_weight * cost_s
            scored = upper
        else:
            hits = jnp.sum(served.hit) / params.hits_norm
            lower = params.reciprocal_scale / jnp.sum(served.total_s)
            upper = hits + 1.0 / (cost_s + params.switch_norm_s)
            scored = lower
        full = jnp.sum(state.cached @ params.service_mib) / (1024.0 * jnp.sum(params.cache_gib))
        tolerance = self.requested(x.service) @ params.tolerance_s
        return CachingMetrics(
            reward=serving * scored * self.period / self.slots_per_epoch,
            upper_reward=serving * upper / self.slots_per_epoch,
            lower_reward=serving * lower,
            latency_s=each * served.total_s,
            hit_ratio=each * served.hit,
            in_time=each * (served.total_s <= tolerance),
            transmission_s=each * served.transmission_s,
            wait_s=each * served.wait_s,
            switch_cost_s=each * cost_s,
            cached_share=each * full,
            served=each,
        )

    def observation_space(self, params: CachingParams) -> Box:
        """Return the features: names, units, scales and bounds."""
        return Box.of(features(self))

    def action_space(self, params: CachingParams) -> Record:
        """Return the priorities of services, the server of each user, and the weights of shares."""
        cache = Box(-1.0, 1.0, (self.servers, self.services))
        parts: list[tuple[str, Any]] = [("cache", cache), ("server", self._server_space())]
        if self.shares == "action":
            weights = Box(0.0 if self.zero_share == "budget" else -1.0, 1.0, (self.users,))
            parts += [("bandwidth", weights), ("speed", weights)]
        return Record(tuple(parts))

    def _server_space(self) -> Discrete:
        return Discrete(self.servers, (self.users,))
