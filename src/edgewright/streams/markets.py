"""Define processes of shares and of Markov matrices: who is there, and how they change.

The interface is that of :mod:`edgewright.streams.processes`. The values of one row are drawn
together: shares sum to one, and so does every row of a matrix.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Memoryless, Number, record, static
from edgewright.streams.processes import normal, reflect, unit


def _shared(weight: Array) -> Array:
    return weight / jnp.sum(weight, axis=-1, keepdims=True)


def _persistent(stay: Array, law: Array) -> Array:
    """Return ``stay I + (1 - stay) 1 law``, ``[..., K, K]``, from ``[...]`` and ``[..., K]``."""
    stay = stay[..., None, None]
    return stay * jnp.eye(law.shape[-1]) + (1.0 - stay) * law[..., None, :]


@record
class Dirichlet(Memoryless):
    """Independent shares ``[K]`` by the Dirichlet law with one whole ``concentration`` for all.

    A gamma number of whole shape is a sum of as many exponential ones.
    """

    shape: tuple[int, ...] = static()
    concentration: int = static(default=1)

    @property
    def words(self) -> int:
        """Random words of each share."""
        return self.concentration

    def next_rows(self, memory: tuple[()], bits: Array) -> tuple[tuple[()], Array]:
        return memory, _shared(-jnp.sum(jnp.log(unit(bits)), axis=0))

    def resume(self, key: Array, x: Array) -> tuple[()]:
        return ()


@record
class Increasing(Memoryless):
    """Numbers ``[K]`` that rise: a uniform first one, and uniform gaps."""

    low: Number
    high: Number
    gap_low: Number
    gap_high: Number
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=1)

    def next_rows(self, memory: tuple[()], bits: Array) -> tuple[tuple[()], Array]:
        first = jnp.arange(self.shape[-1]) == 0
        low, high = (
            jnp.where(first, one, gap)
            for one, gap in ((self.low, self.gap_low), (self.high, self.gap_high))
        )
        return memory, jnp.cumsum(low + (high - low) * unit(bits[0]), axis=-1)

    def resume(self, key: Array, x: Array) -> tuple[()]:
        return ()


@record
class PersistentTypes(Memoryless):
    """Independent matrices ``rho I + (1 - rho) 1 pi``: types stay, or are drawn anew from ``pi``.

    ``rho`` is uniform between ``low`` and ``high``, ``pi`` by the Dirichlet law. Such matrices keep
    first-order stochastic dominance.
    """

    low: Number
    high: Number
    shape: tuple[int, ...] = static()
    concentration: int = static(default=1)

    @property
    def words(self) -> int:
        """Random words of each entry; the first row gives the law, the second one persistence."""
        return self.concentration

    def next_rows(self, memory: tuple[()], bits: Array) -> tuple[tuple[()], Array]:
        law = _shared(-jnp.sum(jnp.log(unit(bits[:, :, 0])), axis=0))
        stay = self.low + (self.high - self.low) * unit(bits[0, :, 1, 0])
        return memory, _persistent(stay, law)

    def resume(self, key: Array, x: Array) -> tuple[()]:
        return ()


@record
class ShareWalk:
    """Shares ``[K]`` whose logarithms walk between mirrors at ``-spread`` and ``spread``."""

    spread: Number
    step_std: Number
    shape: tuple[int, ...] = static()
    words: int = static(default=1)

    def init_carry(self, key: Array) -> Array:
        return jax.random.uniform(key, self.shape, minval=-self.spread, maxval=self.spread)

    def next_rows(self, memory: Array, bits: Array) -> tuple[Array, Array]:
        walked = memory + jnp.cumsum(self.step_std * normal(bits[0]), axis=0)
        logs = reflect(walked, -self.spread, self.spread)
        return logs[-1], jax.nn.softmax(logs, axis=-1)

    def resume(self, key: Array, x: Array) -> Array:
        logs = jnp.log(jnp.maximum(x, 1e-9))
        middle = (jnp.max(logs, axis=-1, keepdims=True) + jnp.min(logs, axis=-1, keepdims=True)) / 2
        return jnp.clip(logs - middle, -self.spread, self.spread)


@record
class PersistenceWalk:
    """Matrices ``rho I + (1 - rho) 1 pi`` with a fixed ``pi`` and a walking ``rho``.

    Attributes:
        law: ``pi [K]``.
    """

    low: Number
    high: Number
    step_std: Number
    law: Array
    shape: tuple[int, ...] = static()
    words: int = static(default=1)

    def init_carry(self, key: Array) -> Array:
        return jax.random.uniform(key, (), minval=self.low, maxval=self.high)

    def next_rows(self, memory: Array, bits: Array) -> tuple[Array, Array]:
        steps = self.step_std * normal(bits[0, :, 0, 0])
        stay = reflect(memory + jnp.cumsum(steps), self.low, self.high)
        law = jnp.broadcast_to(jnp.asarray(self.law, jnp.float32), (*stay.shape, self.shape[-1]))
        return stay[-1], _persistent(stay, law)

    def resume(self, key: Array, x: Array) -> Array:
        law = jnp.asarray(self.law, jnp.float32)
        stay = (x[0, 0] - law[0]) / jnp.maximum(1.0 - law[0], 1e-6)
        return jnp.clip(stay, self.low, self.high)


__all__ = ["Dirichlet", "Increasing", "PersistenceWalk", "PersistentTypes", "ShareWalk"]
