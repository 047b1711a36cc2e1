"""Compute the most a slot could bring, with only others' work queued and energy not yet scarce.

The common ground of all bounds of this world. ``docs/concepts/evaluation.md`` has the argument that
no policy does better in any slot than what is recorded here.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.core.records import Array, record
from edgewright.physics import preference
from edgewright.systems.aigc import (
    AigcInputs,
    AigcParams,
    AigcState,
    AigcWorld,
    price_list,
    weights,
)

FULL_PCT, EMPTY_PCT = 1e6, -1e6
"""Charges at which energy is certainly not scarce, and certainly as scarce as it can be."""


@record
class Relaxed:
    """One episode against background-only queues. Leaves ``[T, ...]`` unless it is said."""

    plenty: Array  # [T, A, M] reward where energy is not scarce
    scarcity_cost: Array  # [T, A, M] what full scarcity takes from it, never negative
    device_energy_j: Array  # [T, A, M]
    work_gcycles: Array  # [T, A, M]
    delay_cost: Array  # [T, M] reward that a second of delay costs
    idle_j: Array  # [T]
    gap_s: Array  # [T]
    spare_gcycles: Array  # [T, Q] what others leave of the capacity of each queue at a server
    busiest_gcycles: Array  # [Q] the most background that was in a queue at once, no [T]
    counted: Array  # [T] bool: before the horizon
    charge_pct: Array  # [M] at the start, no [T]
    battery_j: Array  # [M], no [T]


def relax(world: AigcWorld, params: AigcParams, inputs: AigcInputs) -> Relaxed:
    """Return the relaxation of every episode, leaves ``[E, ...]``.

    Args:
        inputs: leaves ``[T + 1, E, ...]``, the same that policies are evaluated on.

    Raises:
        InputError: ``reading = "paper"``: its weights favour quality *because* a server is loaded,
            so own load may pay.
    """
    if world.reading == "paper":
        raise InputError(
            "no bound holds with reading = 'paper': own load raises the weight of quality",
            where="world.reading",
            hint="use reading = 'ours' for a bound",
        )
    return jax.vmap(lambda rows: _episode(world, params, rows), in_axes=1)(inputs)


def _episode(world: AigcWorld, params: AigcParams, inputs: AigcInputs) -> Relaxed:
    played = jax.tree.map(lambda leaf: leaf[:-1], inputs)
    steps = played.gap_s.shape[0]
    start = world.reset(params, jax.tree.map(lambda leaf: leaf[0], inputs))
    # a device below its floor sends nothing: the world itself moves the background-only queues
    out = jnp.broadcast_to(params.charge_floor_pct - 1.0, (world.devices,))
    idle = jnp.zeros(world.devices, jnp.int32)

    def slot(state: AigcState, x: AigcInputs) -> tuple[AigcState, dict[str, Array]]:
        full = dataclasses.replace(state, charge_pct=jnp.full(world.devices, FULL_PCT))
        empty = dataclasses.replace(state, charge_pct=jnp.full(world.devices, EMPTY_PCT))
        best, worst = price_list(world, params, full, x), price_list(world, params, empty, x)
        cost = best.reward - worst.reward
        after = world.step(params, dataclasses.replace(state, charge_pct=out), idle, x).state
        cap = params.background_cap * params.load_limit_gcycles
        before = state.server_backlog_gcycles
        brought = world.at_queues(params, x.background_gcps) * x.gap_s
        admitted = jnp.minimum(brought, jnp.maximum(0.0, cap - before))
        capacity = world.at_queues(params, params.server_ghz) * x.gap_s
        return after, {
            "plenty": worst.reward + cost,
            "scarcity_cost": cost,
            "device_energy_j": best.device_energy_j,
            "work_gcycles": best.work_gcycles,
            "delay_cost": params.reward_scale
            * weights(world, params, full, x.mode)[:, 1]
            / params.delay_norm_s,
            "idle_j": params.idle_w * x.gap_s,
            "gap_s": x.gap_s,
            "spare_gcycles": capacity - (before + admitted - after.server_backlog_gcycles),
            "busiest_gcycles": jnp.maximum(before + admitted, capacity),
        }

    _, rows = jax.lax.scan(slot, start, played)
    rows["busiest_gcycles"] = jnp.max(rows["busiest_gcycles"], axis=0)
    counted = jnp.arange(steps) < jnp.minimum(steps, params.horizon_slots)
    battery_j = jnp.broadcast_to(params.battery_j, (world.devices,))
    return Relaxed(counted=counted, charge_pct=start.charge_pct, battery_j=battery_j, **rows)


def scarce_at(params: AigcParams, charge_pct: Array) -> Array:
    """Return how scarce energy is at a charge [%], in [0, 1]."""
    return preference.scarcity(charge_pct, params.low_charge_pct, params.low_charge_span_pct)


def best_charge(world: AigcWorld, params: AigcParams, relaxed: Relaxed) -> Array:
    """Return the charge ``[T, M]`` of one episode that no policy exceeds: the cheapest choices.

    A refused task draws nothing, so where tasks may be refused only the idle draw counts.
    """
    least_j = jnp.min(relaxed.device_energy_j, axis=1)
    if world.overflow == "reject":
        least_j = jnp.zeros_like(least_j)
    drawn_j = jnp.cumsum(least_j + relaxed.idle_j[:, None], axis=0)
    before_j = jnp.concatenate([jnp.zeros_like(drawn_j[:1]), drawn_j[:-1]])
    return relaxed.charge_pct - 100.0 * before_j / relaxed.battery_j
