"""An upper bound: no queue holds own work, and the battery has a price."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array
from edgewright.worlds.aigc import AigcInputs, AigcParams, AigcState, AigcWorld, price_list


def no_self_congestion(
    world: AigcWorld, params: AigcParams, inputs: AigcInputs, missed_reward: float
) -> Array:
    """Return an upper bound on the mean reward of each episode, ``[E]``.

    In every slot, take the best action against queues that hold the *others'* work only. Own work
    can only add waiting (the background that a server admits shrinks by no more than own work
    fills), and charge can only be lower than after the cheapest possible choices so far (a refused
    task draws nothing), so no policy, however clairvoyant, earns more in any slot.

    The battery enters by a price ``p`` per joule: a device serves tasks until its usable charge
    ``B`` is spent, the last one at most ``e_max`` beyond it, so for every ``p >= 0`` its sum is at
    most ``sum_t max(unserved, max_a r_t(a) - p e_t(a)) + p (B + e_max)`` (Lagrangian relaxation).
    The least of these over a grid of prices is returned; ``p = 0`` is the bound without battery.

    Args:
        inputs: leaves ``[T + 1, E, ...]``, the same that policies are evaluated on.
        missed_reward: what a slot after an episode's end counts. The bound of a slot never falls
            below it, nor below the reward of a task that is refused or whose device is out.

    Raises:
        InputError: where the argument does not hold: weights that favour quality *because* a
            server is loaded.
    """
    if world.load_weighting == "literal_low_load":
        raise InputError(
            "the no-self-congestion bound does not hold with load_weighting = 'literal_low_load'",
            where="world.load_weighting",
            hint="own load then raises the weight of quality; use 'off' or 'high' for a bound",
        )
    return _bound(world, params, inputs, jnp.float32(missed_reward))


_PRICES = np.concatenate([np.zeros(1), np.geomspace(1e-4, 1.0, 31)]).astype(np.float32)
"""Prices of a joule [reward/J] that the bound tries; any set with 0 in it gives a valid bound."""


@functools.partial(jax.jit, static_argnames=("world",))
def _bound(world: AigcWorld, params: AigcParams, inputs: AigcInputs, missed: Array) -> Array:
    horizon = jnp.minimum(jax.tree.leaves(inputs)[0].shape[0] - 1, params.horizon_slots)

    def slot(
        carry: tuple[AigcState, Array], x: AigcInputs
    ) -> tuple[tuple[AigcState, Array], Array]:
        state, dearest_j = carry
        prices = price_list(world, params, state, x)
        unserved = jnp.maximum(missed, params.rejected_reward)
        price = _PRICES.reshape(-1, 1, 1)
        net = jnp.max(prices.reward - price * prices.device_energy_j, axis=1)
        can_serve = state.charge_pct >= params.charge_floor_pct
        best = jnp.where(can_serve, jnp.maximum(net, unserved), unserved)

        out = dataclasses.replace(
            state, charge_pct=jnp.broadcast_to(params.charge_floor_pct - 1.0, (world.devices,))
        )
        idle = world.step(params, out, jnp.zeros(world.devices, jnp.int32), x)
        least_j = jnp.min(prices.device_energy_j, axis=0)
        if world.overflow == "reject":
            least_j = jnp.zeros_like(least_j)
        drawn_j = least_j + params.idle_w * x.gap_s
        charge = state.charge_pct - 100.0 * drawn_j / params.battery_j
        dearest_j = jnp.maximum(dearest_j, jnp.max(prices.device_energy_j, axis=0))
        return (dataclasses.replace(idle.state, charge_pct=charge), dearest_j), best

    def episode(rows: AigcInputs) -> Array:
        first = jax.tree.map(lambda leaf: leaf[0], rows)
        played = jax.tree.map(lambda leaf: leaf[:-1], rows)
        start = world.reset(params, first)
        (_, dearest_j), best = jax.lax.scan(slot, (start, jnp.zeros(world.devices)), played)
        counted = jnp.arange(best.shape[0]) < horizon
        total = jnp.sum(jnp.where(counted.reshape(-1, 1, 1), best, 0.0), axis=0)
        usable_pct = jnp.maximum(start.charge_pct - params.charge_floor_pct, 0.0)
        usable_j = usable_pct / 100.0 * params.battery_j + dearest_j
        return jnp.mean(jnp.min(total + _PRICES[:, None] * usable_j, axis=0)) / horizon

    return jax.vmap(episode, in_axes=1)(inputs)
