"""The fluid bound: every device on its own, work in every queue at a price.

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

from edgewright.baselines.aigc.bound import priced_sum
from edgewright.baselines.aigc.charge import charge_bound
from edgewright.baselines.aigc.relaxation import Relaxed, best_charge, relax, scarce_at
from edgewright.core.records import Array, record
from edgewright.worlds.aigc import AigcInputs, AigcParams, AigcWorld


@record
class Prices:
    """Prices of one episode."""

    server: Array  # [N] reward per G-cycle
    server_depth: Array  # [N] share of the deepest queue that is still priced
    local: Array  # [M] reward per G-cycle
    local_depth: Array  # [M] G-cycles
    joule: Array  # [M] reward per joule


UNITS = Prices(server=0.01, server_depth=1.0, local=0.01, local_depth=10.0, joule=0.01)
"""What one step of the descent is measured in: the prices' usual size in the shipped scenarios."""

RATE, STEPS = 0.1, 120
"""Adam's first step, falling to zero in a straight line, and their number."""


def fluid(
    world: AigcWorld, params: AigcParams, inputs: AigcInputs, missed_reward: float
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
    ignored, which makes it optimistic. With the best prices found, each device's battery is then
    solved exactly (:func:`charge_bound`), with and without prices of work, and the least is
    returned. It is never above :func:`no_self_congestion` by more than rounding.

    Raises:
        InputError: as :func:`no_self_congestion`.
    """
    return _fluid(world, params, relax(world, params, inputs), jnp.float32(missed_reward))[0]


def fluid_dual(
    world: AigcWorld, params: AigcParams, inputs: AigcInputs, missed_reward: float
) -> tuple[Array, Prices]:
    """Return the bound ``[E]`` with the battery only priced, and the prices it was reached at."""
    relaxed = relax(world, params, inputs)
    return _descend(world, params, relaxed, jnp.float32(missed_reward))


@functools.partial(jax.jit, static_argnames=("world",))
def _fluid(
    world: AigcWorld, params: AigcParams, relaxed: Relaxed, missed: Array
) -> tuple[Array, Prices]:
    dual, prices = _descend(world, params, relaxed, missed)

    def exact(one: Relaxed, at: Prices) -> Array:
        cost, credit = charges(world, params, one, at)
        slots = jnp.sum(one.counted) * world.devices
        free = jnp.sum(charge_bound(world, params, one, jnp.zeros_like(cost), at.joule, missed))
        paid = jnp.sum(charge_bound(world, params, one, cost, at.joule, missed)) + credit
        return jnp.minimum(free, paid) / slots

    return jnp.minimum(dual, jax.vmap(exact)(relaxed, prices)), prices


@functools.partial(jax.jit, static_argnames=("world",))
def _descend(
    world: AigcWorld, params: AigcParams, relaxed: Relaxed, missed: Array
) -> tuple[Array, Prices]:
    def value(one: Relaxed, scaled: Prices) -> Array:
        prices = jax.tree.map(jnp.multiply, scaled, UNITS)
        cost, credit = charges(world, params, one, prices)
        best = best_charge(world, params, one)
        scarce = scarce_at(params, one.load_need, best)
        reward = one.plenty - scarce[:, None] * one.scarcity_cost - cost
        total = priced_sum(params, one, best, reward, prices.joule, missed)
        return (jnp.sum(total) + credit) / (jnp.sum(one.counted) * world.devices)

    scaled = Prices(
        server=jnp.zeros(world.servers),
        server_depth=jnp.ones(world.servers),
        local=jnp.zeros(world.devices),
        local_depth=jnp.ones(world.devices),
        joule=jnp.zeros(world.devices),
    )
    episodes = relaxed.charge_pct.shape[0]
    scaled = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (episodes, *leaf.shape)), scaled)
    optimiser = optax.adam(optax.linear_schedule(RATE, 0.0, STEPS))
    slopes = jax.vmap(jax.value_and_grad(value, argnums=1))

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        scaled, memory, least, best = carry
        found, slope = slopes(relaxed, scaled)
        better = found < least
        best = jax.tree.map(lambda new, old: jnp.where(better[:, None], new, old), scaled, best)
        update, memory = optimiser.update(slope, memory)
        return (_allowed(optax.apply_updates(scaled, update)), memory, jnp.minimum(least, found), best), None

    begin = (scaled, optimiser.init(scaled), jnp.full(episodes, jnp.inf), scaled)
    (_, _, least, best), _ = jax.lax.scan(step, begin, length=STEPS)
    return least, jax.tree.map(jnp.multiply, best, UNITS)


def _allowed(scaled: Prices) -> Prices:
    """Return the nearest prices that are not negative and queues no deeper than the argument allows."""
    scaled = jax.tree.map(lambda leaf: jnp.maximum(leaf, 0.0), scaled)
    return dataclasses.replace(scaled, server_depth=jnp.minimum(scaled.server_depth, 1.0))


def charges(
    world: AigcWorld, params: AigcParams, relaxed: Relaxed, prices: Prices
) -> tuple[Array, Array]:
    """Return what each action pays at least ``[T, A, M]``, and the credit ``[]`` for capacity.

    The depth of a server's queue of own work is at most what keeps it, with the busiest background,
    below the level at which the background would be crowded out.
    """
    location, _ = world.decode(jnp.arange(world.actions))
    work, gap = relaxed.work_gcycles, relaxed.gap_s
    device_ghz = jnp.broadcast_to(params.device_ghz, (world.devices,))
    local_depth = jnp.maximum(prices.local_depth, 1e-3)
    drained = device_ghz * gap[:, None]  # [T, M]
    ahead_s = jnp.maximum(0.0, local_depth - work + drained[:, None]) / device_ghz
    local = jnp.minimum(prices.local * work, relaxed.delay_cost[:, None] * ahead_s)

    cap = params.background_cap * params.load_limit_gcycles
    depth = prices.server_depth * jnp.maximum(0.0, cap - relaxed.busiest_gcycles)  # [N]
    server = jnp.maximum(location - 1, 0)
    # what other devices sent in the same slot may be what filled the queue, and half of it is ahead
    share = 1.0 if world.devices == 1 else 0.5
    ahead_s = share * (depth[server][:, None] - work) / params.server_ghz[server][:, None]
    if world.drain_during_upload:
        ahead_s = ahead_s - relaxed.up_s[:, None]
    if world.wait == "slots":
        ahead_s = ahead_s - params.slot_s  # both waits are rounded up to whole slots
    waited = relaxed.delay_cost[:, None] * jnp.maximum(0.0, ahead_s)
    sent = jnp.minimum(prices.server[server][:, None] * work, waited)

    counted = relaxed.counted[:, None]
    spare = jnp.sum(jnp.where(counted, relaxed.spare_gcycles, 0.0), axis=0)
    drained = jnp.sum(jnp.where(counted, drained, 0.0), axis=0)
    credit = jnp.sum(prices.server * (spare + depth)) + jnp.sum(prices.local * (drained + local_depth))
    return jnp.where((location == 0)[:, None], local, sent), credit
