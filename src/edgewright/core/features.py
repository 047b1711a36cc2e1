"""Describe the columns of an observation, in physical units, with the scale of each.

One table describes the observation of a world. The world stacks it, the observation space carries
it, learners take its scales, and exports, services and documentation read its names and units.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from edgewright.core.records import Array


@dataclasses.dataclass(frozen=True)
class Feature:
    """One quantity that a policy sees.

    Attributes:
        name: with the unit as its last part, as ``"input_mb"``.
        unit: e.g. ``"MB"``; empty for a share or a choice.
        about: what it is, in a few words.
        scale, offset: a network takes ``(value - offset) / scale``; numbers, or arrays ``[]``.
        low, high: bounds that the world guarantees, infinite where it gives none.
        domain: what the quantity can be by definition, e.g. 0 to 100 % for a charge; by default its
            bounds. A world may show other values where an episode ends, a caller of a service not.
        choices: what a choice may be; its value is the index, or one column each where ``one_hot``.
        get: (world, params, state, inputs) to the value of every agent ``[*agents]``.
    """

    name: str
    unit: str = ""
    about: str = ""
    scale: Any = 1.0
    offset: Any = 0.0
    low: float = -math.inf
    high: float = math.inf
    domain: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    one_hot: bool = False
    get: Callable[[Any, Any, Any, Any], Array] | None = dataclasses.field(
        default=None, repr=False, compare=False
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that it fills."""
        return tuple(f"{self.name}_{one}" for one in self.choices) if self.one_hot else (self.name,)

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest value of its columns."""
        if not self.choices:
            return self.low, self.high
        return 0.0, 1.0 if self.one_hot else len(self.choices) - 1.0


def column_names(features: Sequence[Feature]) -> tuple[str, ...]:
    """Return the name of every column of an observation."""
    return tuple(name for feature in features for name in feature.columns)


def stacked(features: Sequence[Feature], agents: tuple[int, ...], world: Any, *known: Any) -> Array:
    """Return the observation ``[*agents, columns]`` in physical units, float32.

    Args:
        known: params, state and inputs.
    """
    columns = []
    for feature in features:
        assert feature.get is not None, f"{feature.name} has no get"
        value = jnp.broadcast_to(feature.get(world, *known), agents)
        indices = range(len(feature.choices))
        columns += [value == index for index in indices] if feature.one_hot else [value]
    return jnp.stack([column.astype(jnp.float32) for column in columns], axis=-1)


def scaling(features: Sequence[Feature]) -> tuple[Array, Array]:
    """Return offset and scale of every column, ``[columns]`` each."""
    offsets = [feature.offset for feature in features for _ in feature.columns]
    scales = [feature.scale for feature in features for _ in feature.columns]
    return jnp.asarray(offsets, jnp.float32), jnp.asarray(scales, jnp.float32)


__all__ = ["Feature", "column_names", "scaling", "stacked"]
