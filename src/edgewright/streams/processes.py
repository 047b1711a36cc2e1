"""Define the synthetic processes, each of which makes one field of a stream.

A process rolls no dice of its own: :class:`edgewright.streams.compose.Composite` draws random words
for all fields in bulk and each process turns its share into values. (Interface: ``words``,
``start(key)``, ``take(memory, bits)``, ``resume(key, x)``; see
:class:`edgewright.core.protocols.Process`.) Numbers are leaves, the ``shape`` of a row is static.
``bits`` is uint32 ``[words, length, *shape]`` and fixes the length of a block.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Memoryless, Number, record, static


def unit(bits: Array) -> Array:
    """Return uniform numbers strictly inside (0, 1) from the high 23 bits of random words.

    Not 24: float32 would round the largest, 1 - 2^-25, to 1, whose normal number is infinite.
    """
    return ((bits >> 9).astype(jnp.float32) + 0.5) * (1 / 2**23)


def normal(bits: Array) -> Array:
    """Return standard normal numbers from random words, by inversion (within 5.3 deviations)."""
    return math.sqrt(2) * jax.lax.erf_inv(2 * unit(bits) - 1)


@record
class Constant(Memoryless):
    """The same ``value`` in every row, broadcast to ``shape``."""

    value: Number
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=0)

    def next_rows(self, memory: tuple[()], bits: Array) -> tuple[tuple[()], Array]:
        value = jnp.asarray(self.value, jnp.float32)
        return memory, jnp.broadcast_to(value, bits.shape[1:])

    def resume(self, key: Array, x: Array) -> tuple[()]:
        return ()


@record
class Uniform(Memoryless):
    """Independent draws, uniform between ``low`` and ``high``."""

    low: Number
    high: Number
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=1)

    def next_rows(self, memory: tuple[()], bits: Array) -> tuple[tuple[()], Array]:
        return memory, self.low + (self.high - self.low) * unit(bits[0])

    def resume(self, key: Array, x: Array) -> tuple[()]:
        return ()


@record
class Categorical(Memoryless):
    """Independent draws of an index with the given ``probabilities`` ``[n]``, int32.

    Or ``[*shape, n]``, where elements differ.
    """

    probabilities: Array
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=1)

    def next_rows(self, memory: tuple[()], bits: Array) -> tuple[tuple[()], Array]:
        edges = jnp.cumsum(jnp.asarray(self.probabilities), axis=-1)[..., :-1]
        return memory, jnp.sum(unit(bits[0])[..., None] >= edges, axis=-1, dtype=jnp.int32)

    def resume(self, key: Array, x: Array) -> tuple[()]:
        return ()


def reflect(position: Array, low: Number, high: Number) -> Array:
    """Fold a free walk into ``[low, high]`` as mirrors at both ends would.

    The result is inside whatever the rounding; with ``low == high`` it is that value.
    """
    width = jnp.where(high > low, high - low, 1.0)
    phase = jnp.mod(position - low, 2 * width)
    return jnp.clip(low + width - jnp.abs(phase - width), low, high)


@record
class ReflectedWalk:
    """A Gaussian random walk with mirrors at ``low`` and ``high``; starts uniform between them.

    Folding the free walk has the law of reflecting each step, because the steps are symmetric (a
    fold also turns the steps after it round), and needs no loop over time.
    """

    low: Number
    high: Number
    step_std: Number
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=1)

    def init_carry(self, key: Array) -> Array:
        return jax.random.uniform(key, self.shape, minval=self.low, maxval=self.high)

    def next_rows(self, memory: Array, bits: Array) -> tuple[Array, Array]:
        steps = self.step_std * normal(bits[0])
        values = reflect(memory + jnp.cumsum(steps, axis=0), self.low, self.high)
        return values[-1], values

    def resume(self, key: Array, x: Array) -> Array:
        return x


@record
class Autoregressive:
    """AR(1) of the logarithm: a bandwidth whose mean, spread and memory were measured.

    ``log x[t] = m + phi (log x[t-1] - m) + noise`` with stationary mean ``mean`` and coefficient of
    variation ``variation`` before it is clipped to ``[low, high]``; the memory is the standardised
    logarithm.
    """

    mean: Number
    variation: Number
    correlation: Number
    low: Number
    high: Number
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=1)

    def _law(self) -> tuple[Array, Array]:
        spread = jnp.sqrt(jnp.log1p(jnp.square(self.variation)))
        return jnp.log(jnp.asarray(self.mean, jnp.float32)) - spread**2 / 2, spread

    def init_carry(self, key: Array) -> Array:
        return jax.random.normal(key, self.shape)

    def next_rows(self, memory: Array, bits: Array) -> tuple[Array, Array]:
        noise = jnp.sqrt(1 - jnp.square(self.correlation)) * normal(bits[0])
        noise = noise.at[0].add(self.correlation * memory)
        factor = jnp.broadcast_to(jnp.asarray(self.correlation, jnp.float32), noise.shape)

        def chain(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
            return a[0] * b[0], a[1] * b[0] + b[1]

        _, standard = jax.lax.associative_scan(chain, (factor, noise))
        mean, spread = self._law()
        return standard[-1], jnp.clip(jnp.exp(mean + spread * standard), self.low, self.high)

    def resume(self, key: Array, x: Array) -> Array:
        mean, spread = self._law()
        # An outage (x = 0) is not a value of this law: minus infinity would be kept for ever.
        return jnp.clip((jnp.log(x) - mean) / jnp.maximum(spread, 1e-6), -8.0, 8.0)


@record
class MarkovChain:
    """A chain over ``levels`` ``[n]``: it stays with probability ``stay``, else moves uniformly.

    With measured levels (say, the deciles of a trace) it carries a trace's distribution and memory.
    The memory is the index of the level.
    """

    levels: Array
    stay: Number
    shape: tuple[int, ...] = static(default=())
    words: int = static(default=2)

    def init_carry(self, key: Array) -> Array:
        return jax.random.randint(key, self.shape, 0, self.levels.shape[0])

    def next_rows(self, memory: Array, bits: Array) -> tuple[Array, Array]:
        count = self.levels.shape[0]
        moves = unit(bits[0]) >= self.stay
        jumps = 1 + jnp.floor(unit(bits[1]) * (count - 1)).astype(jnp.int32)
        index = jnp.mod(memory + jnp.cumsum(jnp.where(moves, jumps, 0), axis=0), count)
        return index[-1], jnp.asarray(self.levels, jnp.float32)[index]

    def resume(self, key: Array, x: Array) -> Array:
        distance = jnp.abs(jnp.asarray(self.levels) - jnp.asarray(x)[..., None])
        return jnp.argmin(distance, axis=-1).astype(jnp.int32)
