"""Compute what a cache can hold and what it costs to change it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def fit(
    priority: Float[Array, " K"], size: Float[Array, " K"], capacity: Float[Array, ""]
) -> Float[Array, " K"]:
    """Return which services are cached: those wanted, from the highest priority, that still fit.

    A service is wanted where its priority is positive. Of two equal priorities the first counts
    more. A service that does not fit is left out, and the next one is tried.

    Args:
        priority: of each service.
        size: of each service, in any unit.
        capacity: in the same unit.

    Returns:
        1 where a service is cached, else 0; the sizes of those sum to at most ``capacity``.
    """
    wanted = priority > 0
    rank = _rank(jnp.where(wanted, priority, 0.0))

    def put(carry: tuple[Array, Array], turn: Array) -> tuple[tuple[Array, Array], None]:
        used, taken = carry
        here = wanted & (rank == turn)
        need = used + jnp.sum(jnp.where(here, size, 0.0))
        fits = need <= capacity
        return (jnp.where(fits, need, used), taken | (here & fits)), None

    turns = jnp.arange(priority.shape[0])
    start = (jnp.zeros_like(capacity), jnp.zeros_like(wanted))
    (_, taken), _ = jax.lax.scan(put, start, turns, unroll=min(len(turns), MAX_UNROLLED))
    return taken.astype(priority.dtype)


MAX_UNROLLED = 16
"""Services that are tried without a loop in the compiled program."""

MAX_COMPARED = 64
"""Services of which every two are compared; more are sorted."""


def _rank(value: Float[Array, " K"]) -> Int[Array, " K"]:
    """Return how many values come before each: larger ones, and equal ones at an earlier place.

    For a few services it takes less time than a sort.
    """
    if value.shape[0] > MAX_COMPARED:
        return jnp.argsort(jnp.argsort(-value))
    index = jnp.arange(value.shape[0])
    larger = value[None, :] > value[:, None]
    equal = value[None, :] == value[:, None]
    return jnp.sum(larger | (equal & (index[None, :] < index[:, None])), axis=1)


def fetch_s(
    before: Float[Array, "M K"],
    after: Float[Array, "M K"],
    size_mib: Float[Array, " K"],
    backhaul_mib_s: Float[Array, ""],
) -> Float[Array, ""]:
    """Return the time [s] to fetch what was not cached before: ``sum V_k / B`` over new services.

    HADRL's switch cost ``D``: services that are dropped cost nothing.

    Args:
        before, after: 1 where a server holds a service.
        size_mib: size of each service [MiB].
        backhaul_mib_s: rate of the link from the cloud [MiB/s].
    """
    new = after * (1.0 - before)
    return jnp.sum(new * size_mib) / backhaul_mib_s
