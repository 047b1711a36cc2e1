"""Define the spaces of observations and actions, which are small, hashable and framework-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.features import Feature, column_names
from edgewright.core.records import Array

SHARE_TOLERANCE = 1e-5
"""How far shares in float32 may sum from one."""


@dataclass(frozen=True)
class Discrete:
    """One of ``n`` choices for each agent, an int32 of shape ``shape``."""

    n: int
    shape: tuple[int, ...] = ()

    def sample(self, key: Array) -> Array:
        """Draw uniformly. Consumes ``key``."""
        return jax.random.randint(key, self.shape, 0, self.n, dtype=jnp.int32)

    def contains(self, value: object) -> bool:
        """Return whether ``value`` is a legal action."""
        array = np.asarray(value)
        exact = np.issubdtype(array.dtype, np.integer)
        return bool(array.shape == self.shape and exact and np.all((array >= 0) & (array < self.n)))


@dataclass(frozen=True)
class Box:
    """Real numbers of shape ``shape``, usually between ``low`` and ``high`` (bounds may be inf).

    Attributes:
        low, high: one bound for all entries, or a tuple with one for each entry of the last axis.
        names: of the entries of the last axis, with their units.
        features: the table that describes an observation; see :meth:`of`.
        unit: of all entries of an action, e.g. ``"W"``.
    """

    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    shape: tuple[int, ...]
    names: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    unit: str = ""

    @classmethod
    def of(cls, features: tuple[Feature, ...], agents: tuple[int, ...] = ()) -> Box:
        """Return the space of observations ``[*agents, columns]`` that a table describes."""
        low, high = zip(*(feature.bounds for feature in features), strict=True)
        names = column_names(features)
        return cls(min(low), max(high), (*agents, len(names)), names, features)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest value of each entry of the last axis, float32 ``[shape[-1]]``.

        A space of shape ``()`` has bounds of shape ``()``.
        """
        ends = [one.bounds for one in self.features for _ in one.columns]
        low, high = zip(*ends, strict=True) if ends else (self.low, self.high)
        entries = self.shape[-1:]
        low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
        return np.broadcast_to(low, entries), np.broadcast_to(high, entries)

    def sample(self, key: Array) -> Array:
        """Draw uniformly between finite bounds, normally otherwise. Consumes ``key``."""
        low, high = (np.asarray(bound, np.float32) for bound in (self.low, self.high))
        if np.all(np.isfinite(low)) and np.all(np.isfinite(high)):
            return jax.random.uniform(key, self.shape, minval=low, maxval=high)
        return jax.random.normal(key, self.shape)

    def contains(self, value: object) -> bool:
        """Return whether ``value`` has the right shape, is finite and lies within the bounds."""
        array, (low, high) = np.asarray(value), self.bounds
        return bool(
            array.shape == self.shape
            and np.all(np.isfinite(array))
            and np.all((array >= low) & (array <= high))
        )


@dataclass(frozen=True)
class Bits:
    """Zeros and ones of shape ``shape``, int32, such as cached items or offloading devices."""

    shape: tuple[int, ...]

    def sample(self, key: Array) -> Array:
        """Draw every bit with a fair coin. Consumes ``key``."""
        return jax.random.bernoulli(key, shape=self.shape).astype(jnp.int32)

    def contains(self, value: object) -> bool:
        """Return whether ``value`` has the right shape and holds zeros and ones only."""
        array = np.asarray(value)
        exact = np.issubdtype(array.dtype, np.integer)
        return bool(array.shape == self.shape and exact and np.all((array == 0) | (array == 1)))


@dataclass(frozen=True)
class Simplex:
    """Shares of shape ``shape``, none negative; the last axis sums to one, or to at most one.

    Attributes:
        shape: the last axis is shared out.
        at_most: whether something may be left over.
    """

    shape: tuple[int, ...]
    at_most: bool = False

    def sample(self, key: Array) -> Array:
        """Draw uniformly over the simplex (a flat Dirichlet law). Consumes ``key``."""
        *rest, shares = self.shape
        drawn = jax.random.dirichlet(key, jnp.ones(shares + self.at_most), tuple(rest))
        return drawn[..., :shares]

    def contains(self, value: object) -> bool:
        """Return whether ``value`` has the right shape and shares out no more than there is."""
        array = np.asarray(value)
        if array.shape != self.shape or not np.all(np.isfinite(array)) or np.any(array < 0):
            return False
        total = array.sum(axis=-1)
        upper = np.all(total <= 1 + SHARE_TOLERANCE)
        return bool(upper and (self.at_most or np.all(total >= 1 - SHARE_TOLERANCE)))


@dataclass(frozen=True)
class Record:
    """An action of several parts, each with a name and a space: a dictionary of arrays.

    Attributes:
        parts: (name, space), e.g. ``(("cache", Bits((8,))), ("share", Simplex((3,))))``.
    """

    parts: tuple[tuple[str, Discrete | Box | Bits | Simplex], ...]

    def sample(self, key: Array) -> dict[str, Array]:
        """Draw every part by itself. Consumes ``key``."""
        keys = jax.random.split(key, len(self.parts))
        return {
            name: space.sample(one) for one, (name, space) in zip(keys, self.parts, strict=True)
        }

    def contains(self, value: object) -> bool:
        """Return whether ``value`` is a dictionary of just these parts, each legal."""
        if not isinstance(value, Mapping) or set(value) != {name for name, _ in self.parts}:
            return False
        return all(space.contains(value[name]) for name, space in self.parts)


Space = Discrete | Box | Bits | Simplex | Record
"""What an action may be."""
