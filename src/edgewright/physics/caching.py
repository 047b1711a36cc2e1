"""Compute what a cache can hold and what it costs to change it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


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
    order = jnp.argsort(-priority)

    def put(used: Array, service: Array) -> tuple[Array, Array]:
        need = used + size[service]
        taken = (priority[service] > 0) & (need <= capacity)
        return jnp.where(taken, need, used), taken

    _, taken = jax.lax.scan(put, jnp.zeros_like(capacity), order)
    return jnp.zeros_like(priority).at[order].set(taken.astype(priority.dtype))


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
