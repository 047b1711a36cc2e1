"""Draw samples of a replay in proportion to their priority, and weigh them back.

Proportional prioritised replay of Schaul, Quan, Antonoglou, Silver (ICLR 2016, arXiv:1511.05952).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Number

MIN_ERROR = 1e-6
"""Added to every error, so that no sample is never drawn again (``epsilon`` of section 3.3)."""


def priority_of(error: Array, exponent: Number) -> Array:
    """Return ``(|error| + epsilon)^alpha``: equation (1) before it is divided by the sum."""
    return jnp.power(jnp.abs(error) + MIN_ERROR, exponent)


def draw_places(key: Array, priority: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return places ``[*shape]`` with replacement and the probability of each. Equation (1).

    Args:
        key: consumed.
        priority: ``[size]``, zero where nothing is stored; one at least is above zero.
    """
    ends = jnp.cumsum(priority)
    points = jax.random.uniform(key, shape) * ends[-1]
    places = jnp.searchsorted(ends, points, side="right", method="scan_unrolled")
    # A point that rounding puts at the end belongs to the last sample that may be drawn.
    last = priority.shape[0] - 1 - jnp.argmax(priority[::-1] > 0.0)
    places = jnp.minimum(places, last).astype(jnp.int32)
    return places, priority[places] / ends[-1]


def importance(probability: Array, filled: Array, exponent: Number) -> Array:
    """Return ``(N P(i))^-beta`` over the largest of the batch, between 0 and 1. Section 3.4.

    Args:
        probability: ``[*shape]`` of the samples drawn.
        filled: how many samples are stored, ``N``.
        exponent: ``beta``: 0 leaves the bias, 1 removes it.
    """
    weights = jnp.power(filled * probability, -exponent)
    return weights / jnp.max(weights)


def with_errors(priority: Array, places: Array, error: Array, exponent: Number) -> Array:
    """Return priorities ``[size]`` after the errors of some samples are known.

    A sample that was drawn more than once takes the largest of its errors.
    """
    cleared = priority.at[places].set(0.0)
    return cleared.at[places].max(priority_of(error, exponent))


__all__ = ["draw_places", "importance", "priority_of", "with_errors"]
