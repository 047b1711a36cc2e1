"""The charge of a device as a program of its own: a bound that knows what scarcity costs later.

The plain Lagrangian bound takes every slot at the highest charge that any policy could have. But
what is spent early makes energy scarce later, and a device that weighs energy more earns less. Here
the charge of each device is followed exactly; only the depletion of the battery is still priced.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record
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
    usable = best_charge(world, params, relaxed) >= params.charge_floor_pct
    of = jax.vmap(
        lambda slots, charge_pct, battery_j, price: _device(
            _Grid.of(params, charge_pct, battery_j, price, relaxed.charge_pct.size),
            params,
            slots,
            relaxed.counted,
            jnp.maximum(missed, params.rejected_reward),
        ),
        in_axes=(-1, -1, -1, -1),
    )
    idle_j = jnp.broadcast_to(relaxed.idle_j[:, None], usable.shape)
    slots = _Slot(
        plenty=relaxed.plenty - paid,
        cost=relaxed.scarcity_cost,
        energy_j=relaxed.device_energy_j,
        idle_j=idle_j,
        can_serve=usable,
    )
    return of(slots, relaxed.charge_pct, relaxed.battery_j, price)


@record
class _Slot:
    """The inputs of one device in a slot; leaves ``[A]``, the last two ``[]``."""

    plenty: Array
    cost: Array
    energy_j: Array
    idle_j: Array
    can_serve: Array


@record
class _Grid:
    """Charges at which the value of one device is kept, and its line below and between them."""

    points: Array  # [G] %
    first: Array
    width: Array
    per_pct: Array  # value of 1 % at the price of a joule
    charge_pct: Array
    battery_j: Array

    @classmethod
    def of(
        cls, params: AigcParams, charge_pct: Array, battery_j: Array, price: Array, devices: int
    ) -> _Grid:
        """Return the grid of a device that starts at ``charge_pct``."""
        count = max(MIN_POINTS, MAX_POINTS // devices)
        low, span = params.low_charge_pct, params.low_charge_span_pct
        first = low - span
        least = jnp.maximum(charge_pct - first, 0.1 * span) / (count - 1)
        width = span / jnp.floor(span / least)  # scarcity begins at a point of the grid
        points = first + width * jnp.arange(count)
        return cls(
            points=points,
            first=first,
            width=width,
            per_pct=price * battery_j / 100.0,
            charge_pct=charge_pct,
            battery_j=battery_j,
        )

    def line(self, values: Array, charge: Array) -> Array:
        """Return the value at any charge from its values ``[G]`` on the grid."""
        position = (charge - self.first) / self.width
        cell = jnp.clip(jnp.floor(position).astype(jnp.int32), 0, self.points.size - 2)
        share = jnp.clip(position - cell, 0.0, 1.0)
        between = (1.0 - share) * values[cell] + share * values[cell + 1]
        return between + self.per_pct * self.width * jnp.minimum(position, 0.0)


def _device(
    grid: _Grid, params: AigcParams, slots: _Slot, counted: Array, unserved: Array
) -> Array:
    """Return the bound of one device ``[]`` by backward induction over ``slots`` ``[T, ...]``."""

    def step(after: Array, row: tuple[_Slot, Array]) -> tuple[Array, None]:
        slot, counts = row
        unused = unserved + after
        raised = jnp.where(slot.can_serve, _raised(grid, params, slot, after, unused), unused)
        return jnp.where(counts, raised, after), None

    dearest_pct = 100.0 * jnp.max(slots.energy_j) / grid.battery_j
    last = grid.per_pct * (grid.points - params.charge_floor_pct + dearest_pct)
    value = jax.lax.scan(step, last, (slots, counted), reverse=True)[0]
    return grid.line(value, grid.charge_pct)


def _raised(grid: _Grid, params: AigcParams, slot: _Slot, after: Array, unused: Array) -> Array:
    """Return values ``[G]`` whose line lies on or above what every charge may earn from here on."""
    drawn = 100.0 * (slot.energy_j + slot.idle_j) / grid.battery_j  # [A]
    count = grid.points.size

    def backup(charge: Array) -> Array:
        reward = slot.plenty - scarce_at(params, charge) * slot.cost
        return reward + grid.line(after, charge - drawn)

    value = jnp.maximum(unused, jnp.max(jax.vmap(backup)(grid.points), axis=1))
    corner = grid.points[:, None] + drawn  # [G, A]
    here = slot.plenty - scarce_at(params, corner) * slot.cost + after[:, None]
    above = here - grid.line(value, corner)
    shift = jnp.floor(drawn / grid.width).astype(jnp.int32)
    cells = jnp.arange(count)[:, None]
    source = cells - shift  # which corner of each action lies in this cell
    there = jnp.take_along_axis(above, jnp.clip(source, 0, count - 1), axis=0)
    excess = jnp.max(jnp.where((source >= 0) & (cells < count - 1), there, 0.0), axis=1)
    low, span = params.low_charge_pct, params.low_charge_span_pct
    for kink in (low, low - span):
        height = jnp.maximum(jnp.max(backup(kink)) - grid.line(value, kink), 0.0)
        cell = jnp.floor((kink - grid.first) / grid.width)
        inside = (jnp.arange(count) == cell) & (jnp.arange(count) < count - 1)
        excess = jnp.maximum(excess, jnp.where(inside, height, 0.0))
    return value + jnp.maximum(excess, jnp.append(0.0, excess[:-1]))
