"""Turn a trajectory ``[T, N, *agents, ...]`` into samples.

Agents share one network, so each agent of each step is a sample of its own.
"""

from __future__ import annotations

import jax.numpy as jnp

from edgewright.core.records import Array


def over_agents(flags: Array, like: Array) -> Array:
    """Return flags ``[T, N]`` repeated for every agent of ``like`` ``[T, N, *agents]``."""
    ones = (1,) * (like.ndim - flags.ndim)
    return jnp.broadcast_to(flags.reshape(*flags.shape, *ones), like.shape)


def samples(values: Array, rest: int = 0) -> Array:
    """Return ``[samples, ...]``: all axes but the last ``rest`` flattened into one."""
    trailing = values.shape[values.ndim - rest :]
    return values.reshape(-1, *trailing)
