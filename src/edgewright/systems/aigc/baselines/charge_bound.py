"""The charge of a device as a program of its own: a bound that knows what scarcity costs later.

The plain Lagrangian bound takes every slot at the highest charge that any policy could have. But
what is spent early makes energy scarce later, and a device that weighs energy more earns less. Here
the charge of each device is followed exactly; only the depletion of the battery is still priced.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.records import Array
from edgewright.systems.aigc import AigcParams, AigcWorld
from edgewright.systems.aigc.baselines.relaxation import Relaxed, best_charge, scarce_at

MAX_POINTS, MIN_POINTS = 256, 32
"""Charges at which the value is kept, fewer for each of many devices: the time is their product."""


def charge_bound(
    world: AigcWorld,
    params: AigcParams,
    relaxed: Relaxed,
    paid: Array,
    price: Array,
    missed: Array,
) -> Array:
    """Return an upper bound on the sum of rewards of each device of one episode, ``[M]``.

    Backward in time from ``h_T(c) = price * (joules above the floor + dearest task)``, which is not
    negative however an episode ends,

        h_t(c) >= max( unserved + h_{t+1}(c),  max_a r_t(a, c) - paid_t(a) + h_{t+1}(c - e_a) ).

    ``h_t`` is linear between the points of a grid. So is the right-hand side between its corners,
    which lie at ``grid + e_a`` and where scarcity begins; wherever a corner is above the line, both
    ends of the line are raised. Below the charge at which scarcity is full nothing depends on the
    charge but the price, so ``h_t`` goes on as a line of that slope. A bound for any grid and any
    price that is not negative.

    Args:
        paid: ``[T, A, M]`` or 0, what each action pays for room in queues.
        price: ``[M]`` of a joule.
    """
    rows = (
        relaxed.plenty - paid,
        relaxed.scarcity_cost,
        relaxed.device_energy_j,
        relaxed.load_need,
        best_charge(world, params, relaxed) >= params.charge_floor_pct,
    )
    of = jax.vmap(lambda *leaves: _device(params, relaxed, missed, *leaves), in_axes=-1)
    return of(*rows, relaxed.charge_pct, relaxed.battery_j, price)


def _device(
    params: AigcParams,
    relaxed: Relaxed,
    missed: Array,
    plenty: Array,
    cost: Array,
    energy_j: Array,
    load_need: Array,
    can_serve: Array,
    charge_pct: Array,
    battery_j: Array,
    price: Array,
) -> Array:
    points = max(MIN_POINTS, MAX_POINTS // relaxed.charge_pct.size)
    unserved = jnp.maximum(missed, params.rejected_reward)
    low, span = params.low_charge_pct, params.low_charge_span_pct
    first = low - span
    least = jnp.maximum(charge_pct - first, 0.1 * span) / (points - 1)
    width = span / jnp.floor(span / least)  # scarcity begins at a point of the grid
    grid = first + width * jnp.arange(points)
    per_pct = price * battery_j / 100.0

    def line(values: Array, charge: Array) -> Array:
        at = (charge - first) / width
        cell = jnp.clip(jnp.floor(at).astype(jnp.int32), 0, points - 2)
        share = jnp.clip(at - cell, 0.0, 1.0)
        between = (1.0 - share) * values[cell] + share * values[cell + 1]
        return between + per_pct * width * jnp.minimum(at, 0.0)

    def slot(after: Array, row: tuple[Array, ...]) -> tuple[Array, None]:
        plenty, cost, energy_j, load_need, can_serve, idle_j, counted = row
        drawn = 100.0 * (energy_j + idle_j) / battery_j  # [A]

        def backup(charge: Array) -> Array:
            reward = plenty - scarce_at(params, load_need, charge) * cost
            return reward + line(after, charge - drawn)

        unused = unserved + after
        value = jnp.maximum(unused, jnp.max(jax.vmap(backup)(grid), axis=1))

        corner = grid[:, None] + drawn  # [G, A]
        here = plenty - scarce_at(params, load_need, corner) * cost + after[:, None]
        above = here - line(value, corner)
        shift = jnp.floor(drawn / width).astype(jnp.int32)
        cells = jnp.arange(points)[:, None]
        source = cells - shift  # which corner of each action lies in this cell
        there = jnp.take_along_axis(above, jnp.clip(source, 0, points - 1), axis=0)
        excess = jnp.max(jnp.where((source >= 0) & (cells < points - 1), there, 0.0), axis=1)
        for kink in (low, low - span * load_need, low - span):
            height = jnp.maximum(jnp.max(backup(kink)) - line(value, kink), 0.0)
            cell = jnp.floor((kink - first) / width)
            inside = (jnp.arange(points) == cell) & (jnp.arange(points) < points - 1)
            excess = jnp.maximum(excess, jnp.where(inside, height, 0.0))
        raised = value + jnp.maximum(excess, jnp.append(0.0, excess[:-1]))
        raised = jnp.where(can_serve, raised, unused)
        return jnp.where(counted, raised, after), None

    dearest_pct = 100.0 * jnp.max(energy_j) / battery_j
    last = per_pct * (grid - params.charge_floor_pct + dearest_pct)
    rows = (plenty, cost, energy_j, load_need, can_serve, relaxed.idle_j, relaxed.counted)
    return line(jax.lax.scan(slot, last, rows, reverse=True)[0], charge_pct)
