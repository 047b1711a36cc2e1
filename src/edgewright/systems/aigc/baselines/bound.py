"""Compute an upper bound in which no queue holds own work and the battery has a price."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcWorld
from edgewright.systems.aigc.baselines.relaxation import Relaxed, best_charge, relax, scarce_at


def no_self_congestion(
    world: AigcWorld,
    params: AigcParams,
    inputs: AigcInputs,
    post_termination_reward: float,
    *,
    battery: bool = True,
) -> Array:
    """Return an upper bound on the mean reward of each episode, ``[E]``.

    In every slot, take the best action against queues that hold the *others'* work only. Own work
    can only add waiting: the background that a server admits shrinks by no more than own work
    fills. Charge can only be lower than after the cheapest choices so far (a refused task draws
    nothing). So no policy, however clairvoyant, earns more in any slot.

    The battery enters by a price ``p`` per joule. A device serves tasks until its usable charge
    ``B`` is spent, the last one at most ``e_max`` beyond it. For every ``p >= 0`` its sum is at
    most ``sum_t max(unserved, max_a r_t(a) - p e_t(a)) + p (B + e_max)`` (Lagrangian relaxation).
    The least of these over a grid of prices is returned; ``p = 0`` is the bound without battery.

    Args:
        inputs: leaves ``[T + 1, E, ...]``, the same that policies are evaluated on.
        post_termination_reward: reward of a slot after an episode's end. A slot's bound never falls
            below it, nor below the reward of a task that is refused or whose device is out.
        battery: price the joules; without, the bound lets every device serve every slot that it
            could have charge for.

    Raises:
        InputError: ``reading = "paper"``, where the argument does not hold.
    """
    prices = PRICES if battery else PRICES[:1]
    return _priced(world, params, inputs, jnp.float32(post_termination_reward), prices)[0]


PRICES = np.concatenate([np.zeros(1), np.geomspace(1e-4, 1.0, 31)]).astype(np.float32)
"""Prices of a joule [reward/J] that the bound tries; any set with 0 in it gives a valid bound."""


@functools.partial(jax.jit, static_argnames=("world",))
def _priced(
    world: AigcWorld, params: AigcParams, inputs: AigcInputs, missed: Array, prices: Array
) -> tuple[Array, Array]:
    relaxed = relax(world, params, inputs)
    return jax.vmap(lambda one: least_over_prices(world, params, one, missed, prices))(relaxed)


def least_over_prices(
    world: AigcWorld,
    params: AigcParams,
    relaxed: Relaxed,
    missed: Array,
    prices: np.ndarray | Array = PRICES,
) -> tuple[Array, Array]:
    """Return the bound of one episode ``[]`` and the price ``[M]`` that gives it."""
    charge = best_charge(world, params, relaxed)
    scarce = scarce_at(params, charge)
    reward = relaxed.plenty - scarce[:, None] * relaxed.scarcity_cost
    prices = jnp.asarray(prices)
    totals = jax.lax.map(
        lambda price: priced_sum(params, relaxed, charge, reward, price, missed), prices
    )  # [P, M]
    least = jnp.mean(jnp.min(totals, axis=0)) / jnp.sum(relaxed.counted)
    return least, prices[jnp.argmin(totals, axis=0)]


def priced_sum(
    params: AigcParams,
    relaxed: Relaxed,
    charge_pct: Array,
    reward: Array,
    price: Array,
    missed: Array,
) -> Array:
    """Return the bound on each device's sum of rewards ``[M]`` at a price of a joule.

    Args:
        charge_pct: ``[T, M]`` that no policy exceeds.
        reward: ``[T, A, M]`` that no policy exceeds.
    """
    unserved = jnp.maximum(missed, params.rejected_reward)
    net = jnp.max(reward - price * relaxed.device_energy_j, axis=1)
    can_serve = charge_pct >= params.charge_floor_pct
    best = jnp.where(can_serve, jnp.maximum(net, unserved), unserved)
    spent = jnp.sum(jnp.where(relaxed.counted[:, None], best, 0.0), axis=0)
    usable_pct = jnp.maximum(relaxed.charge_pct - params.charge_floor_pct, 0.0)
    dearest_j = jnp.max(relaxed.device_energy_j, axis=(0, 1))  # [M]
    return spent + price * (usable_pct / 100.0 * relaxed.battery_j + dearest_j)
