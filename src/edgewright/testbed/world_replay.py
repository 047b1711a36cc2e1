"""Replay a block in the world of the scenario, with the policies that decide in the gateway.

The world is read in several ways, from the one of the paper to one that has what real requests
have: a size of answers for each level, arrivals between slots, and uploads that wait.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.gateway.options import Chooser, Option
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcWorld
from edgewright.testbed.conditions import Conditions
from edgewright.testbed.objective import DONE, MODES, REFUSED, Arrival, Outcome
from edgewright.testbed.view import State, chosen, observation

LAST_GAP_S = 1.0
"""Time after the last request of a block, which no outcome depends on."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """Properties of real requests that the world has; all of them unless stated otherwise.

    Attributes:
        sizes: one size of answers for each level; else their mean.
        between: requests arrive at their times; else each at the start of a slot of its own.
        uplink: uploads wait for one another (``Q_trans``); else all are sent at once.
    """

    sizes: bool = True
    between: bool = True
    uplink: bool = True

    def world(self, world: AigcWorld) -> AigcWorld:
        """Return the world of a scenario in this reading."""
        return dataclasses.replace(world, uplink="queue" if self.uplink else "parallel")

    def params(self, params: AigcParams) -> AigcParams:
        """Return the numbers of a scenario in this reading."""
        if self.sizes:
            return params
        return dataclasses.replace(params, output_mb=jnp.mean(params.output_mb))

    def times(self, params: AigcParams, arrivals: Sequence[Arrival]) -> list[float]:
        """Return when each request of a block arrives, in seconds since its start."""
        if self.between:
            return [one.at_s for one in arrivals]
        return [float(params.slot_s) * number for number in range(len(arrivals))]


FULL = Reading()


@functools.partial(jax.jit, static_argnames=("world",))
def _step(world: AigcWorld, params: AigcParams, state: Any, action: Any, x: AigcInputs) -> Any:
    outcome = world.step(params, state, action, x)
    return outcome.state, outcome.metrics


def inputs_of(
    conditions: Conditions, arrivals: Sequence[Arrival], times: Sequence[float] | None = None
) -> list[AigcInputs]:
    """Return the inputs of a world of one device, one row for each request.

    A slot lasts from one request to the next. The bandwidth is that of the recording at the
    arrival.

    Args:
        times: of the arrivals in seconds; those of the testbed if absent, so that the world has no
            grid of its own.
    """
    times = [one.at_s for one in arrivals] if times is None else times
    gaps = [*np.diff(times), LAST_GAP_S]
    servers, rows = len(conditions.locations) - 1, []
    for one, at_s, gap_s in zip(arrivals, times, gaps, strict=True):
        values = {
            "input_mb": 1e-6 * one.request_bytes,
            "work_gcycles": conditions.fitted.work_gcycles(one.size),
            "bandwidth_mbps": _mbps(conditions, at_s),
            "initial_charge_pct": 100.0,
        }
        rows.append(
            AigcInputs(
                **{name: jnp.full(1, value, jnp.float32) for name, value in values.items()},
                mode=jnp.full(1, MODES.index(one.mode), jnp.int32),
                background_gcps=jnp.zeros(servers),
                gap_s=jnp.float32(max(1e-6, gap_s)),
            )
        )
    return rows


def simulate(
    world: AigcWorld,
    params: AigcParams,
    conditions: Conditions,
    chooser: Chooser,
    names: Sequence[str],
    arrivals: Sequence[Arrival],
    reading: Reading = FULL,
) -> list[Outcome]:
    """Return the outcomes of a block in the world.

    Args:
        names: fields that the policy observes; none for a rule.
        reading: how the world is read.
    """
    if not arrivals:
        return []
    world, params = reading.world(world), reading.params(params)
    rows = inputs_of(conditions, arrivals, reading.times(params, arrivals))
    params = dataclasses.replace(params, horizon_slots=jnp.float32(len(rows) + 1))
    state, result = world.reset(params, rows[0]), []
    ghz, fitted = np.asarray(conditions.fitted.ghz), conditions.fitted
    for arrival, x in zip(arrivals, rows, strict=True):
        backlog = np.concatenate([state.local_backlog_gcycles, state.server_backlog_gcycles])
        sending = state.uplink_backlog_mb
        uplink_mb = 0.0 if sending is None else float(sending[0])
        mbps = float(x.bandwidth_mbps[0])
        now = State((backlog / ghz).tolist(), mbps, arrival.index, uplink_mb)
        options = _options(params, conditions, arrival, now, backlog)
        option = None
        action = world.qualities  # where all queues are full, the first server refuses as well
        if options:
            option = chosen(chooser, options, observation(names, arrival, now, fitted))
            action = option.location * world.qualities + option.level
        state, metrics = _step(world, params, state, jnp.full(1, action, jnp.int32), x)
        result.append(_outcome(arrival, option, metrics))
    return result


def _mbps(conditions: Conditions, at_s: float) -> float:
    return max(1e-3, conditions.down.at(at_s))


def _options(
    params: AigcParams, conditions: Conditions, arrival: Arrival, now: State, backlog: np.ndarray
) -> list[Option]:
    """Return every choice that no full queue refuses, with the delays of the world.

    The world has no limit for the device's own queue. The gateway has one, as a number of requests,
    which here is a time: that many mean services at the middle level.
    """
    fitted, result = conditions.fitted, []
    outputs = np.broadcast_to(np.asarray(params.output_mb), len(conditions.levels))
    limit = float(params.load_limit_gcycles)
    middle = len(conditions.levels) // 2
    device_s = conditions.queues[0] * conditions.expected_s(arrival, 0, middle)
    for location in conditions.locations:
        for level in conditions.levels:
            work = fitted.work_gcycles(arrival.size) * fitted.multiplier[level]
            if location and backlog[location] + work > limit:
                continue
            if not location and now.queue_s[0] > device_s:
                continue
            megabytes = now.uplink_mb + 1e-6 * arrival.request_bytes + float(outputs[level])
            transfer_s = 8.0 * megabytes / now.mbps + 2.0 * float(params.network_delay_s)
            service_s = work / fitted.ghz[location]
            times = (now.queue_s[location], service_s, transfer_s if location else 0.0)
            energy_j = conditions.power_w[location] * service_s
            result.append(Option(location, level, str(location), *times, energy_j))
    return result


def _outcome(arrival: Arrival, option: Option | None, metrics: Any) -> Outcome:
    if option is None or not float(metrics.served[0]):
        return Outcome(arrival.index, REFUSED)
    delay_s = float(metrics.delay_s[0])
    return Outcome(
        index=arrival.index,
        status=DONE,
        location=option.location,
        level=option.level,
        delay_s=delay_s,
        queue_s=option.queue_s,
        service_s=option.service_s,
        transfer_s=delay_s - option.queue_s - option.service_s,
        energy_j=float(metrics.energy_j[0]),
        predicted_s=option.delay_s,
    )
