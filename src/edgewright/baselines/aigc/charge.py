"""The exact optimum of one device whose queues hold no own work: a program over its charge alone.

The Lagrangian price of a joule relaxes two things: that charge is spent slot by slot, and that a
device with little charge weighs energy more. This recursion keeps both.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.baselines.aigc.relaxation import Relaxed, scarce_at
from edgewright.core.records import Array
from edgewright.worlds.aigc import AigcParams

GRID = 128
"""Charges at which the value is kept; between them it is a straight line that lies on or above."""


def charge_bound(params: AigcParams, relaxed: Relaxed, net: Array, missed: Array) -> Array:
    """Return an upper bound on the sum of rewards of each device of one episode, ``[M]``.

    Backward in time, ``h_t(c) >= max(unserved + h_{t+1}(c), max_a r_t(a, c) + h_{t+1}(c - e_a))``
    for every charge ``c`` above the floor; below it a device is out for good. ``h_t`` is linear
    between the points of a grid, and so is the right-hand side between its own corners, which lie
    at ``grid + e_a`` and where scarcity begins and ends. Wherever such a corner is above the line,
    the two ends of the line are raised: a bound for any grid, and nearly exact for a fine one.

    Args:
        net: ``[T, A, M]``, what to take from each action's reward (prices of room in queues).
    """
    per_device = jax.vmap(lambda *leaves: _device(params, missed, relaxed, *leaves), in_axes=-1)
    return per_device(
        relaxed.plenty - net,
        relaxed.scarcity_cost,
        relaxed.device_energy_j,
        relaxed.load_need,
        relaxed.charge_pct,
    )


def _device(
    params: AigcParams,
    missed: Array,
    relaxed: Relaxed,
    plenty: Array,
    cost: Array,
    energy_j: Array,
    load_need: Array,
    charge_pct: Array,
) -> Array:
    unserved = jnp.maximum(missed, params.rejected_reward)
    floor = params.charge_floor_pct
    width = jnp.maximum(charge_pct - floor, 1e-3) / (GRID - 1)
    grid = floor + width * jnp.arange(GRID)
    span = params.low_charge_span_pct
    full = params.low_charge_pct - span

    def slot(carry: tuple[Array, Array], row: tuple[Array, ...]) -> tuple[tuple[Array, Array], None]:
        (after, out), (plenty, cost, energy_j, load_need, idle_j, counted) = carry, row
        drawn = 100.0 * jnp.append(energy_j + idle_j, idle_j) / params.battery_j  # the last: none
        plenty, cost = jnp.append(plenty, unserved), jnp.append(cost, 0.0)

        def reward(charge: Array) -> Array:
            return plenty - scarce_at(params, load_need, charge) * cost

        def value_after(charge: Array) -> Array:
            return jnp.where(charge < floor - 1e-4 * width, out, _line(after, (charge - floor) / width))

        def backup(charge: Array) -> Array:
            return reward(charge) + value_after(charge - drawn)  # [A + 1]

        value = jnp.max(jax.vmap(backup)(grid), axis=-1)

        # corners of the right-hand side: grid + e_a for the action itself, ends of scarcity for all
        steps = drawn / width
        shift = jnp.floor(steps).astype(jnp.int32)
        corner = grid[:, None] + drawn
        above = after[:, None] + jax.vmap(reward)(corner) - _line(value, jnp.arange(GRID)[:, None] + steps)
        cells = jnp.arange(GRID)[:, None]
        source = cells - shift
        inside = (source >= 0) & (cells < GRID - 1)
        excess = jnp.max(
            jnp.where(inside, jnp.take_along_axis(above, jnp.clip(source, 0, GRID - 1), axis=0), 0.0),
            axis=1,
        )
        for kink in (full, params.low_charge_pct, params.low_charge_pct - span * load_need):
            at = (kink - floor) / width
            height = jnp.max(backup(jnp.asarray(kink))) - _line(value, at)
            cell = jnp.floor(at)
            here = (jnp.arange(GRID) == cell) & (cell >= 0) & (cell < GRID - 1)
            excess = jnp.maximum(excess, jnp.where(here, height, 0.0))
        raised = value + jnp.maximum(excess, jnp.append(0.0, excess[:-1]))
        keep = (jnp.where(counted, raised, after), jnp.where(counted, out + unserved, out))
        return keep, None

    rows = (plenty, cost, energy_j, load_need, relaxed.idle_j, relaxed.counted)
    start = (jnp.zeros(GRID), jnp.zeros(()))
    (value, out), _ = jax.lax.scan(slot, start, rows, reverse=True)
    return jnp.where(charge_pct < floor, out, value[-1])


def _line(values: Array, at: Array) -> Array:
    """Return values on a grid, linearly between its points and constant beyond its ends."""
    at = jnp.clip(at, 0.0, GRID - 1.0)
    low = jnp.clip(jnp.floor(at).astype(jnp.int32), 0, GRID - 2)
    share = at - low
    return (1.0 - share) * values[low] + share * values[low + 1]
