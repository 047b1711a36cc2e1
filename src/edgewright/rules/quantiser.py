"""Quantise a relaxed action in (0, 1)^N to a few binary actions worth evaluating.

Order preserving: DROO (Huang, Bi, Zhang, IEEE TMC 19(11), 2020), algorithm 1. Noisy: LyDROO (Bi,
Huang, Wang, Zhang, IEEE TWC 20(11), 2021). All shapes are static; write for one slot, vmap outside.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Relaxed = Float[Array, " n"]
Candidates = Int[Array, "k n"]


def rounded(relaxed: Relaxed) -> Int[Array, " n"]:
    """Return 1 where the relaxed action is above one half."""
    return (relaxed > 0.5).astype(jnp.int32)


def order_preserving(relaxed: Relaxed, count: int) -> Candidates:
    """Return ``count`` (at most N + 1) actions, from the rounding outwards.

    The first is the rounding. Each further one takes the entry next nearest to one half as its
    pivot ``p``: what is above ``p`` is 1; what equals ``p`` is 1 if ``p`` is not above one half. So
    the pivot itself flips, and ``m_a >= m_b`` implies ``x_a >= x_b``. Without ties and with
    ``count = N + 1`` these are the N + 1 prefixes of the ranking of ``relaxed``.
    """
    nearest = jnp.argsort(jnp.abs(relaxed - 0.5), stable=True)[: count - 1]
    pivot = relaxed[nearest][:, None]
    further = jnp.where(pivot > 0.5, relaxed > pivot, relaxed >= pivot).astype(jnp.int32)
    return jnp.concatenate([rounded(relaxed)[None], further])


def nearest_neighbours(relaxed: Relaxed, count: int) -> Candidates:
    """Return the ``count`` binary actions nearest to the relaxed one, nearest first.

    Flipping entry n of the rounding adds ``|1 - 2 m_n|`` to the squared distance, so these are the
    ``count`` cheapest sets of flips. Entry by entry, the cheapest sets so far are joined with
    themselves plus the entry, and the ``count`` cheapest are kept: exact, without 2^N.
    """
    size = relaxed.shape[0]
    price = jnp.abs(1.0 - 2.0 * relaxed)
    cost = jnp.full(count, jnp.inf).at[0].set(0.0)
    flips = jnp.zeros((count, size), jnp.int32)

    def grow(entry: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        cost, flips = carry
        costs = jnp.concatenate([cost, cost + price[entry]])
        both = jnp.concatenate([flips, flips.at[:, entry].set(1)])
        cheapest = jnp.argsort(costs, stable=True)[:count]
        return costs[cheapest], both[cheapest]

    _, flips = jax.lax.fori_loop(0, size, grow, (cost, flips))
    return flips ^ rounded(relaxed)


def noisy_order_preserving(key: Array, relaxed: Relaxed, count: int) -> Candidates:
    """Return half of the candidates of ``relaxed`` and half of a disturbed copy of it.

    The copy is ``sigmoid(logit(m) + N(0, 1))``, so it is centred on ``relaxed``; a sigmoid of a
    probability, which public code has, would be centred near 0.6. With an odd ``count`` the
    undisturbed half has one more. Consumes ``key``.
    """
    inside = jnp.clip(relaxed, 1e-6, 1.0 - 1e-6)
    logits = jnp.log(inside) - jnp.log1p(-inside)
    disturbed = jax.nn.sigmoid(logits + jax.random.normal(key, relaxed.shape))
    half = count // 2
    if half == 0:
        return order_preserving(relaxed, count)
    plain = order_preserving(relaxed, count - half)
    return jnp.concatenate([plain, order_preserving(disturbed, half)])


def adapted_count(best_index: Int[Array, ""], most: int) -> Int[Array, ""]:
    """Return how many candidates to try next: DROO's rule, ``min(index + 2, most)``.

    ``best_index`` is the largest index (from 0) of a winner over the last window of slots.
    """
    return jnp.minimum(best_index + 2, most).astype(jnp.int32)
