"""Compute the fluid bound, with every device on its own and a price on the work in each queue.

A linear program over how often each task takes each action, with one constraint for every server
and device: own work fits into the capacity that others leave. Its dual separates by task, so it is
cheap for many devices, and *any* prices give a valid bound; they are improved by gradient descent.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax

from edgewright.core.records import Array, record
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcWorld
from edgewright.systems.aigc.baselines.bound import least_over_prices, priced_sum
from edgewright.systems.aigc.baselines.charge_bound import charge_bound
from edgewright.systems.aigc.baselines.relaxation import Relaxed, best_charge, relax, scarce_at
from edgewright.systems.aigc.baselines.shadow_prices import joule_unit, queues_of_actions


@record
class Prices:
    """Prices of one episode."""

    server: Array  # [Q] reward per G-cycle in each queue at a server
    server_depth: Array  # [Q] share of the deepest queue that is still priced
    local: Array  # [M] reward per G-cycle
    local_depth: Array  # [M] G-cycles
    joule: Array  # [M] reward per joule


RATE, STEPS = 0.1, 120
"""Adam's first step, falling to zero in a straight line, and their number."""


def fluid(
    world: AigcWorld, params: AigcParams, inputs: AigcInputs, post_termination_reward: float
) -> Array:
    """Return an upper bound on the mean reward per slot and device of each episode, ``[E]``.

    Own work in a server (beyond what others have there) moves by ``O' = max(0, O + sent - spare)``
    as long as it crowds nobody out; ``spare`` is the capacity that others leave. Choose a price
    ``mu`` and a depth ``K`` that such a queue cannot pass without making tasks wait. Add up
    ``-mu min(O, K)`` over the slots: each slot brings at most ``mu spare``, and either pays
    ``mu`` for each unit sent, or ends at ``K`` or deeper, where every task sent has waited behind
    what was there. So no sum of rewards exceeds

        sum_t max_a [ r_t(a) - p e_t(a) - min(mu W, wait at depth K) ] + mu (sum_t spare_t + K)
        + p (battery)

    device by device; the same holds for the device's own queue. The least over prices is the value
    of a linear program (mean work within capacity): the waiting of queues that are not full is
    ignored, which makes it optimistic. At the best prices found, each device's charge is then
    followed exactly (:func:`charge_bound`) and the lower of the two is returned. The descent begins
    at the prices of :func:`no_self_congestion`, so the result is never above it.

    Raises:
        InputError: as :func:`no_self_congestion`.
    """
    return _fluid(world, params, inputs, jnp.float32(post_termination_reward))


@functools.partial(jax.jit, static_argnames=("world",))
def _fluid(world: AigcWorld, params: AigcParams, inputs: AigcInputs, missed: Array) -> Array:
    relaxed = relax(world, params, inputs)
    dual, prices = descend(world, params, relaxed, missed)

    def exact(one: Relaxed, at: Prices) -> Array:
        paid, credit = charges(world, params, one, at)
        total = jnp.sum(charge_bound(world, params, one, paid, at.joule, missed)) + credit
        return total / (jnp.sum(one.counted) * world.devices)

    return jnp.minimum(dual, jax.vmap(exact)(relaxed, prices))


@functools.partial(jax.jit, static_argnames=("world",))
def descend(
    world: AigcWorld, params: AigcParams, relaxed: Relaxed, missed: Array
) -> tuple[Array, Prices]:
    """Return the least bound met on the way down ``[E]``, and its prices."""
    work_unit = 0.1 * params.reward_scale / params.delay_norm_s
    units = Prices(
        server=work_unit,
        server_depth=jnp.ones(()),
        local=work_unit,
        local_depth=5.0 * jnp.mean(params.device_ghz),
        joule=0.4 * joule_unit(params),
    )

    def value(one: Relaxed, scaled: Prices) -> Array:
        prices = jax.tree.map(jnp.multiply, scaled, units)
        paid, credit = charges(world, params, one, prices)
        best = best_charge(world, params, one)
        scarce = scarce_at(params, best)
        reward = one.plenty - scarce[:, None] * one.scarcity_cost - paid
        total = priced_sum(params, one, best, reward, prices.joule, missed)
        return (jnp.sum(total) + credit) / (jnp.sum(one.counted) * world.devices)

    _, joule = jax.vmap(lambda one: least_over_prices(world, params, one, missed))(relaxed)
    episodes = joule.shape[0]
    scaled = Prices(
        server=jnp.zeros((episodes, world.queue_count)),
        server_depth=jnp.ones((episodes, world.queue_count)),
        local=jnp.zeros((episodes, world.devices)),
        local_depth=jnp.ones((episodes, world.devices)),
        joule=joule / units.joule,
    )
    optimiser = optax.adam(optax.linear_schedule(RATE, 0.0, STEPS))
    slopes = jax.vmap(jax.value_and_grad(value, argnums=1))

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        scaled, memory, least, best = carry
        result, slope = slopes(relaxed, scaled)
        better = result < least
        best = jax.tree.map(lambda new, old: jnp.where(better[:, None], new, old), scaled, best)
        update, memory = optimiser.update(slope, memory)
        return (
            _allowed(jax.tree.map(jnp.add, scaled, update)),
            memory,
            jnp.minimum(least, result),
            best,
        ), None

    memory = optimiser.init(scaled)  # pyright: ignore[reportArgumentType]
    begin = (scaled, memory, jnp.full(episodes, jnp.inf), scaled)
    (_, _, least, best), _ = jax.lax.scan(step, begin, length=STEPS)
    return least, jax.tree.map(jnp.multiply, best, units)


def _allowed(scaled: Prices) -> Prices:
    """Return the nearest prices and depths that the argument allows."""
    scaled = jax.tree.map(lambda leaf: jnp.maximum(leaf, 0.0), scaled)
    return dataclasses.replace(scaled, server_depth=jnp.minimum(scaled.server_depth, 1.0))


def charges(
    world: AigcWorld, params: AigcParams, relaxed: Relaxed, prices: Prices
) -> tuple[Array, Array]:
    """Return what each action pays at least ``[T, A, M]``, and the credit ``[]`` for capacity.

    The depth of a server's queue of own work is at most what keeps it, with the busiest background,
    below the level at which the background would be crowded out.
    """
    queue, speed_ghz, _ = queues_of_actions(world, params)  # [A, M]
    local, at = queue < 0, jnp.maximum(queue, 0)
    work, gap_s = relaxed.work_gcycles, relaxed.gap_s[:, None]
    device_ghz = jnp.broadcast_to(params.device_ghz, (world.devices,))
    local_depth = jnp.maximum(prices.local_depth, 1e-3)
    cap = params.background_cap * params.load_limit_gcycles
    server_depth = prices.server_depth * jnp.maximum(0.0, cap - relaxed.busiest_gcycles)  # [Q]

    behind = local_depth - work + (device_ghz * gap_s)[:, None]
    # what other devices sent in the same slot may have filled a server; half of it is ahead
    share = 1.0 if world.devices == 1 or world.alone else 0.5
    ahead_s = jnp.where(local, behind, share * (server_depth[at] - work)) / speed_ghz
    waited = relaxed.delay_cost[:, None] * jnp.maximum(0.0, ahead_s)
    asked = jnp.where(local, prices.local, prices.server[at]) * work

    counted = relaxed.counted[:, None]
    spare = jnp.sum(jnp.where(counted, relaxed.spare_gcycles, 0.0), axis=0)
    drained = jnp.sum(jnp.where(counted, device_ghz * gap_s, 0.0), axis=0)
    credit = jnp.sum(prices.server * (spare + server_depth))
    credit = credit + jnp.sum(prices.local * (drained + local_depth))
    return jnp.minimum(asked, waited), credit
