"""Compute numbers that change with the environment steps taken."""

from __future__ import annotations

import jax.numpy as jnp

from edgewright.core.records import Array

Number = Array | float


def warm_up(step: Number, warm_steps: Number) -> Array:
    """Return ``k / K_warm`` below ``K_warm``, then 1. SE-PPO equation (23)."""
    return jnp.minimum(1.0, step / jnp.maximum(warm_steps, 1.0))


def linear_decay(step: Number, warm_steps: Number, total_steps: Number) -> Array:
    """Return ``1 - (k - K_warm) / (K_max - K_warm)`` after ``K_warm``, 1 before. Equation (24)."""
    share = (step - warm_steps) / jnp.maximum(total_steps - warm_steps, 1.0)
    return 1.0 - jnp.clip(share, 0.0, 1.0)


def linear(step: Number, start: Number, end: Number, steps: Number) -> Array:
    """Return a line from ``start`` to ``end`` over ``steps``, then ``end``."""
    share = jnp.clip(step / jnp.maximum(steps, 1.0), 0.0, 1.0)
    return start + (end - start) * share


def exponential(step: Number, start: Number, end: Number, steps: Number) -> Array:
    """Return ``start^(1 - x) end^x`` with ``x = step / steps`` up to 1: a constant factor a step.

    A factor ``f`` a step is ``end = start f^steps``; ``end`` must not be 0.
    """
    share = jnp.clip(step / jnp.maximum(steps, 1.0), 0.0, 1.0)
    return jnp.power(start, 1.0 - share) * jnp.power(end, share)
