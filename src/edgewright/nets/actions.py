"""Turn the output of a network into an action of any space, without a random draw.

Learners, exported graphs and students share one convention. A choice is its best index, and a bit
is 1 where its logit is positive. A number is a ``tanh`` scaled to its bounds (as in TD3 and SAC).
Shares are a ``softmax``, with one more logit for the rest where they sum to at most one.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex, Space

Array = jax.Array

CERTAIN, LEAST_SHARE = 30.0, 1e-6
"""The size of a score that leaves no doubt, and the least share that has a logarithm."""


def parts_of(space: Space) -> tuple[tuple[str, Any], ...]:
    """Return the parts of a record, or the space itself as one part called ``action``."""
    return space.parts if isinstance(space, Record) else (("action", space),)


def score_count(space: Space) -> int:
    """Return how many outputs of a network decide an action of a space."""
    return sum(_width(part) for _, part in parts_of(space))


def split_scores(space: Space, scores: Array) -> dict[str, Array]:
    """Return the scores ``[..., count]`` by part, in the shape of the part.

    A choice has a last axis of ``n``, shares that may leave something over one share more.
    """
    ends = list(itertools.accumulate(_width(part) for _, part in parts_of(space)))
    pieces = jnp.split(scores, ends[:-1], axis=-1)
    return {
        name: piece.reshape(*scores.shape[:-1], *score_shape(part))
        for piece, (name, part) in zip(pieces, parts_of(space), strict=True)
    }


def score_shape(part: Any) -> tuple[int, ...]:
    """Return the shape of the scores of one part."""
    if isinstance(part, Discrete):
        return (*part.shape, part.n)
    if isinstance(part, Simplex) and part.at_most:
        return (*part.shape[:-1], part.shape[-1] + 1)
    return part.shape


def part_action(part: Any, scores: Array) -> Array:
    """Return the action of one part from its scores ``[..., *score_shape(part)]``."""
    if isinstance(part, Discrete):
        return jnp.argmax(scores, axis=-1).astype(jnp.int32)
    if isinstance(part, Bits):
        return (scores > 0).astype(jnp.int32)
    if isinstance(part, Simplex):
        return jax.nn.softmax(scores)[..., : part.shape[-1]]
    if not bounded(part):
        return scores
    low, high = part.bounds
    scaled = low + (high - low) * 0.5 * (jnp.tanh(scores) + 1.0)
    return jnp.clip(scaled, low, high)  # rounding may leave the box by one unit


def greedy_action(space: Space, scores: Array) -> Any:
    """Return the action of scores ``[..., count]``: an array, or a record of arrays."""
    pieces = split_scores(space, scores)
    action = {name: part_action(part, pieces[name]) for name, part in parts_of(space)}
    return action if isinstance(space, Record) else action["action"]


def certain_scores(space: Space, action: Any) -> Array:
    """Return scores ``[..., count]`` whose greedy action is ``action``, the same for all parts.

    Choices and bits are certain: their softmax or sigmoid is 0 or 1. Numbers keep a hair's breadth
    from their bounds, where ``tanh`` has no inverse.
    """
    parts = action if isinstance(space, Record) else {"action": action}
    rows = []
    for name, part in parts_of(space):
        values = jnp.asarray(parts[name])
        batch = values.shape[: values.ndim - len(part.shape)]
        rows.append(_certain(part, values).reshape(*batch, _width(part)))
    return jnp.concatenate(rows, axis=-1)


def _certain(part: Any, values: Array) -> Array:
    if isinstance(part, Discrete):
        return CERTAIN * (2.0 * jax.nn.one_hot(values, part.n) - 1.0)
    if isinstance(part, Bits):
        return CERTAIN * (2.0 * values - 1.0)
    if isinstance(part, Simplex):
        rest = 1.0 - jnp.sum(values, axis=-1, keepdims=True)
        shares = jnp.concatenate([values, rest], axis=-1) if part.at_most else values
        return jnp.log(jnp.maximum(shares, LEAST_SHARE))
    units = to_units(part, values)
    if bounded(part):
        units = jnp.arctanh(jnp.clip(units, -1.0 + LEAST_SHARE, 1.0 - LEAST_SHARE))
    return units


def from_units(part: Box, units: Array) -> Array:
    """Return the numbers ``[..., *part.shape]`` of units ``[..., numbers]``, kept within bounds.

    A unit is half the range around its middle, so the bounds are -1 and 1. Without bounds a unit is
    the number.
    """
    shape = (*units.shape[:-1], *part.shape)
    if not bounded(part):
        return units.reshape(shape)
    low, high = part.bounds
    scaled = low + (high - low) * 0.5 * (units.reshape(shape) + 1.0)
    return jnp.clip(scaled, low, high)


def to_units(part: Box, numbers: Array) -> Array:
    """Return the units ``[..., numbers]`` of numbers ``[..., *part.shape]``.

    The inverse of :func:`from_units`; 0 where both bounds are equal.
    """
    units = numbers
    if bounded(part):
        low, high = part.bounds
        half = 0.5 * (high - low)
        units = (numbers - (low + half)) / np.where(half > 0, half, 1.0)
    return units.reshape(*numbers.shape[: numbers.ndim - len(part.shape)], -1)


def random_units(key: Array, part: Box, shape: tuple[int, ...]) -> Array:
    """Draw units uniformly between -1 and 1, or normally without bounds. Consumes ``key``."""
    if bounded(part):
        return jax.random.uniform(key, shape, minval=-1.0)
    return jax.random.normal(key, shape)


def unit_bound(part: Box) -> float:
    """Return the largest unit of a box: 1, or infinity."""
    return 1.0 if bounded(part) else math.inf


def bounds_agree(part: Box) -> bool:
    """Return whether the bounds of a box are all finite or all infinite."""
    finite = np.isfinite(np.stack(part.bounds))
    return bool(finite.any() == finite.all())


def bounded(part: Box) -> bool:
    """Return whether every entry of a box has two finite bounds.

    Raises:
        InputError: only some bounds are finite.
    """
    if not bounds_agree(part):
        message = f"the bounds of a box must be finite everywhere, or nowhere; got {part.bounds}"
        raise InputError(message, where="action_space", hint="give every entry two bounds")
    return bool(np.isfinite(np.stack(part.bounds)).all())


def _width(part: Any) -> int:
    return math.prod(score_shape(part))


__all__ = [
    "bounded",
    "bounds_agree",
    "certain_scores",
    "from_units",
    "greedy_action",
    "part_action",
    "parts_of",
    "random_units",
    "score_count",
    "score_shape",
    "split_scores",
    "to_units",
    "unit_bound",
]
