"""Spaces: what an observation or an action may be. Small, hashable, framework-free."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.features import Feature, column_names
from edgewright.core.records import Array


@dataclass(frozen=True)
class Discrete:
    """One of ``n`` choices for each agent, an int32 of shape ``shape``."""

    n: int
    shape: tuple[int, ...] = ()

    def sample(self, key: Array) -> Array:
        """Draw uniformly. Consumes ``key``."""
        return jax.random.randint(key, self.shape, 0, self.n, dtype=jnp.int32)

    def contains(self, value: object) -> bool:
        """Say whether ``value`` is a legal action."""
        array = np.asarray(value)
        whole = np.issubdtype(array.dtype, np.integer)
        return bool(array.shape == self.shape and whole and np.all((array >= 0) & (array < self.n)))


@dataclass(frozen=True)
class Box:
    """Real numbers of shape ``shape``, usually between ``low`` and ``high`` (bounds may be inf)."""

    low: float
    high: float
    shape: tuple[int, ...]
    names: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()

    @classmethod
    def of(cls, features: tuple[Feature, ...], agents: tuple[int, ...] = ()) -> Box:
        """Return the space of observations ``[*agents, columns]`` that a table describes."""
        low, high = zip(*(feature.bounds for feature in features), strict=True)
        names = column_names(features)
        return cls(min(low), max(high), (*agents, len(names)), names, features)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest value of each column, float32 ``[shape[-1]]``."""
        ends = [one.bounds for one in self.features for _ in one.columns]
        ends = ends or [(self.low, self.high)] * self.shape[-1]
        return np.array(ends, np.float32)[:, 0], np.array(ends, np.float32)[:, 1]

    def sample(self, key: Array) -> Array:
        """Draw uniformly between finite bounds, normally otherwise. Consumes ``key``."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            return jax.random.uniform(key, self.shape, minval=self.low, maxval=self.high)
        return jax.random.normal(key, self.shape)

    def contains(self, value: object) -> bool:
        """Say whether ``value`` has the right shape, is finite and lies within the bounds."""
        array, (low, high) = np.asarray(value), self.bounds if self.shape else (self.low, self.high)
        return bool(
            array.shape == self.shape
            and np.all(np.isfinite(array))
            and np.all((array >= low) & (array <= high))
        )
