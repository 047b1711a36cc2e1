"""Write parts of an action as numbers from -1 to 1, for learners whose actions are such numbers.

It is the convention of :mod:`edgewright.nets.actions` after its ``tanh``: a number is scaled to its
bounds, a bit is 1 where its number is positive, and a choice is the largest of its numbers. So an
actor that ends in ``tanh`` exports like one whose scores are decoded. A choice may also be read
from one number by thresholds, as HADRL does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.spaces import Bits, Box, Discrete
from edgewright.nets.actions import bounded, from_units

Array = jax.Array
Parts = Sequence[tuple[str, Any]]


def unit_box(parts: Parts, by_threshold: bool = False) -> Box:
    """Return the space of the numbers ``[count]`` that decide the parts."""
    return Box(-1.0, 1.0, (sum(math.prod(_shape(part, by_threshold)) for _, part in parts),))


def from_unit(parts: Parts, numbers: Array, by_threshold: bool = False) -> dict[str, Array]:
    """Return the parts by name from numbers ``[count]`` between -1 and 1.

    Args:
        by_threshold: whether a choice is 1 number for each entry instead of ``n``: in which of
            ``n`` intervals of equal width it lies.
    """
    result, first = {}, 0
    for name, part in parts:
        shape = _shape(part, by_threshold)
        piece = numbers[first : first + math.prod(shape)].reshape(shape)
        first += math.prod(shape)
        result[name] = _value(part, piece, by_threshold)
    return result


def misfit_of(parts: Parts) -> str:
    """Return why parts cannot be written as such numbers; empty if they can."""
    for name, part in parts:
        if not isinstance(part, Discrete | Bits | Box) or (
            isinstance(part, Box) and not bounded(part)
        ):
            return f"its part '{name}' must be choices, bits, or numbers with bounds"
    return ""


def _shape(part: Any, by_threshold: bool) -> tuple[int, ...]:
    if isinstance(part, Discrete) and not by_threshold:
        return (*part.shape, part.n)
    return part.shape


def _value(part: Any, numbers: Array, by_threshold: bool) -> Array:
    if isinstance(part, Bits):
        return (numbers > 0).astype(jnp.int32)
    if isinstance(part, Discrete):
        if not by_threshold:
            return jnp.argmax(numbers, axis=-1).astype(jnp.int32)
        ends = jnp.linspace(-1.0, 1.0, part.n + 1)[1:-1]
        return jnp.sum(numbers[..., None] >= ends, axis=-1, dtype=jnp.int32)
    return from_units(part, numbers.reshape(-1))


__all__ = ["from_unit", "misfit_of", "unit_box"]
