"""Bound the reward of every episode from above, whatever is decided.

Two relaxations. All servers are pooled: a user has the best of its links, the sum of all bands and
speeds, and finds a service wherever it is cached; queues are empty. And a service may be cached in
part, and served in part. What is left is a convex problem for each epoch: the latency under the
exact square-root shares, over the fractional knapsack of all caches.

    sum over slots of  (sum_u sqrt a_u)^2 / M  +  (sum_k n_k sqrt(C_k) y_k)^2 / sum F
                       + sum_k n_k (1 - y_k) cloud_k                      0 <= y_k <= z_k
    sum_k V_k z_k <= sum of the caches,  0 <= z_k <= 1

``(sum of roots)^2 / M`` is below the sum over servers of the squared sums, however users are
divided (Cauchy and Schwarz). Frank and Wolfe's method (1956) gives at each of its points a number
below the optimum: its linear problem is the fractional knapsack, solved by value per size.

Fetching is bounded below by fetching once whatever is ever cached, an ``E``-th in each of ``E``
epochs.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array, record
from edgewright.systems.caching.latency import miss_s, spectral_efficiency
from edgewright.systems.caching.records import CachingInputs, CachingParams
from edgewright.systems.caching.world import CachingWorld

ITERATIONS = 60
PRICES = np.logspace(-4, 4, 97, dtype=np.float32)
"""Prices of bandwidth and speed among which the best is taken; each gives a valid bound."""


@record
class _Epoch:
    """The slots of one epoch, ``[T]`` and ``[T, K]``, and what a cached service costs ``[K]``."""

    band_s: Array  # latency of all transmissions
    root: Array  # n_k sqrt(C_k / sum F)
    cloud_s: Array  # n_k cloud_k
    fetch_s: Array  # [K]


@functools.partial(jax.jit, static_argnames=("world",))
def reward_bound(world: CachingWorld, params: CachingParams, inputs: Any) -> Array:
    """Return an upper bound ``[E]`` on the mean reward of each episode.

    Args:
        inputs: of the episodes, leaves ``[T + 1, E, ...]``.
    """

    def episode(x: CachingInputs) -> Array:
        steps = x.service.shape[0] - 1
        rows = jax.tree.map(lambda leaf: leaf[:steps], x)
        epochs = jax.tree.map(
            lambda leaf: leaf.reshape(-1, world.period, *leaf.shape[1:])[:, 1:], rows
        )
        per_epoch = jax.vmap(lambda one: _epoch_bound(world, params, one, steps))(epochs)
        return jnp.mean(per_epoch)

    return jax.vmap(episode, in_axes=1)(inputs)


def _epoch_bound(world: CachingWorld, params: CachingParams, x: CachingInputs, steps: int) -> Array:
    """Return a bound on the mean reward of the slots of an epoch, whose inputs are ``[T, ...]``."""
    if world.objective == "published":
        latency = jax.vmap(lambda row: _slot_latency(world, params, row))(x)
        return jnp.mean(params.reciprocal_scale / latency)
    if world.zero_share == "fallback":
        latency = jax.vmap(lambda row: _slot_latency(world, params, row))(x)
        return -jnp.mean(latency) / world.users
    epoch = _epoch(world, params, x, steps // world.period)
    return -_least_latency(world, params, epoch) / (world.users * world.slots_per_epoch)


def _slot_latency(world: CachingWorld, params: CachingParams, x: CachingInputs) -> Array:
    """Return a lower bound on the summed latency of one slot, with any caches."""
    if world.zero_share == "fallback":
        return _fallback_latency(world, params, x)
    one = jax.tree.map(lambda leaf: leaf[None], x)
    epoch = _epoch(world, params, one, 1)
    return _least_latency(world, params, _free(epoch))


def _free(epoch: _Epoch) -> _Epoch:
    return _Epoch(
        band_s=epoch.band_s,
        root=epoch.root,
        cloud_s=epoch.cloud_s,
        fetch_s=jnp.zeros_like(epoch.fetch_s),
    )


def _epoch(world: CachingWorld, params: CachingParams, x: CachingInputs, epochs: int) -> _Epoch:
    """Return the sums of the relaxed problem, for slots ``[T, ...]`` of an episode of epochs."""
    count = jnp.sum(jax.vmap(world.requested)(x.service), axis=1)
    alone_s = jax.vmap(lambda row: _alone_s(world, params, row))(x)
    weight = params.switch_weight * world.users * world.slots_per_epoch
    return _Epoch(
        band_s=jnp.square(jnp.sum(jnp.sqrt(alone_s), axis=1)) / world.servers,
        root=count * jnp.sqrt(params.work_gcycles / jnp.sum(params.server_ghz)),
        cloud_s=count * miss_s(params),
        fetch_s=weight * params.service_mib / params.backhaul_mib_s / epochs,
    )


def _alone_s(world: CachingWorld, params: CachingParams, x: CachingInputs) -> Array:
    """Return the time ``[U]`` to send each input with the whole of the best band."""
    efficiency = spectral_efficiency(world, params, x)
    if world.channel == "cell":
        efficiency = jnp.sum(efficiency * world.chosen(params.cell), axis=1, keepdims=True)
    rate = jnp.max(efficiency * params.bandwidth_mhz, axis=1)
    return world.requested(x.service) @ params.input_mbit / rate


def _least_latency(world: CachingWorld, params: CachingParams, epoch: _Epoch) -> Array:
    """Return a lower bound on the summed latency and weighted fetching of an epoch."""
    capacity = jnp.sum(jnp.broadcast_to(params.cache_gib, (world.servers,))) * 1024.0
    if world.capacity == "published":
        capacity = jnp.full_like(capacity, jnp.inf)

    def improve(y: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        served, cached = y
        total = jnp.sum(epoch.root * served, axis=1, keepdims=True)
        gradient = 2.0 * total * epoch.root - epoch.cloud_s
        worth = -jnp.sum(jnp.minimum(gradient, 0.0), axis=0) - epoch.fetch_s
        target = _fractional(worth, params.service_mib, capacity)
        towards = jnp.where(gradient < 0, target, 0.0)
        change, shift = towards - served, target - cached
        slope = jnp.sum(gradient * change) + jnp.sum(epoch.fetch_s * shift)
        value = jnp.sum(jnp.square(total)) + jnp.sum(epoch.cloud_s * (1.0 - served))
        value = value + jnp.sum(epoch.fetch_s * cached)
        curve = jnp.sum(jnp.square(jnp.sum(epoch.root * change, axis=1)))
        step = jnp.clip(-slope / jnp.maximum(2.0 * curve, 1e-20), 0.0, 1.0)
        return (served + step * change, cached + step * shift), value + slope

    start = jnp.zeros_like(epoch.root), jnp.zeros_like(epoch.fetch_s)
    _, below = jax.lax.scan(improve, start, None, length=ITERATIONS)
    return jnp.max(below) + jnp.sum(epoch.band_s)


def _fractional(worth: Array, size: Array, capacity: Array) -> Array:
    """Return the shares ``[K]`` of the fractional knapsack of the largest worth (Dantzig 1957)."""
    order = jnp.argsort(-worth / size)
    before = jnp.cumsum(size[order]) - size[order]
    share = jnp.clip((capacity - before) / size[order], 0.0, 1.0)
    return jnp.zeros_like(worth).at[order].set(jnp.where(worth[order] > 0, share, 0.0))


def _fallback_latency(world: CachingWorld, params: CachingParams, x: CachingInputs) -> Array:
    """Return a lower bound on the summed latency where a share of zero is worth ``phi``.

    A share is at most ``s + phi`` for shares ``s`` that sum to ``M``, but for the rounding to three
    decimals. For any price ``p`` of a share the latency is at least
    ``sum_u min_s (a_u / (s + phi) + p s) - p M``; a miss costs ``cloud_u`` and no speed.
    """
    budget = world.servers + 0.0005 * world.users
    alone_s = _alone_s(world, params, x)
    request = world.requested(x.service)
    work_s = request @ params.work_gcycles / jnp.max(params.server_ghz)
    no_end = jnp.full_like(alone_s, jnp.inf)
    band = _priced(alone_s, no_end, params.fallback_share, budget)
    return band + _priced(work_s, request @ miss_s(params), params.fallback_share, budget)


def _priced(need_s: Array, instead_s: Array, fallback: Array, budget: float) -> Array:
    """Return ``max_p  sum_u min(instead_u, min_s need_u / (s + phi) + p s) - p budget``."""

    def of(price: Array) -> Array:
        share = jnp.clip(jnp.sqrt(need_s / price) - fallback, 0.0, 1.0)
        cost = need_s / (share + fallback) + price * share
        return jnp.sum(jnp.minimum(instead_s, cost)) - price * budget

    return jnp.max(jax.vmap(of)(jnp.asarray(PRICES)))
