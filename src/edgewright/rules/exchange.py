"""Encode vectors for the wire, and average what devices send.

Stochastic rounding to 8 bits: Alistarh et al., QSGD (NeurIPS 2017, arXiv:1610.02132). The largest
entries with error feedback: Stich, Cordonnier, Jaggi (NeurIPS 2018, arXiv:1809.07599). Everything
here is a function of arrays, whatever carries the bytes.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Number

Encoding = Literal["float32", "float16", "int8", "top-k"]
Aggregate = Literal["mean", "median"]
LEVELS = 127
"""Steps of 8 bits on each side of zero."""


def sent_entries(size: int, percent: int) -> int:
    """Return how many of ``size`` entries ``top-k`` sends, at least one."""
    return max(1, size * percent // 100)


def wire_bytes(size: int, encoding: Encoding, percent: int) -> int:
    """Return the bytes of an encoded vector, without the framing of a protocol.

    Args:
        size: number of entries.
        encoding: ``int8`` adds a scale of 4 bytes; ``top-k`` sends an index and a number for each
            of its entries, 8 bytes.
        percent: of the entries that ``top-k`` sends.
    """
    if encoding == "top-k":
        return 8 * sent_entries(size, percent)
    return {"float32": 4 * size, "float16": 2 * size, "int8": size + 4}[encoding]


def has_memory(encoding: Encoding) -> bool:
    """Return whether a sender keeps what an encoding left out."""
    return encoding == "top-k"


def init_memory(size: int, encoding: Encoding) -> Array:
    """Return what a sender has left out so far: zeros ``[size]``, or none ``[0]``."""
    return jnp.zeros((size if has_memory(encoding) else 0,))


def transmitted(
    key: Array, vector: Array, memory: Array, encoding: Encoding, percent: int
) -> tuple[Array, Array]:
    """Return what a receiver decodes, and what the sender keeps for the next time.

    Args:
        key: of stochastic rounding; consumed.
        vector: to send, ``[n]``.
        memory: of :func:`init_memory`; it is sent on top of the vector.
        encoding: how.
        percent: of the entries that ``top-k`` sends.

    Returns:
        the decoded vector ``[n]`` and the memory. Of ``top-k`` the two sum to ``vector + memory``.
    """
    if encoding == "float16":
        top = float(jnp.finfo(jnp.float16).max)
        return jnp.clip(vector, -top, top).astype(jnp.float16).astype(vector.dtype), memory
    if encoding == "int8":
        return rounded(key, vector), memory
    if encoding == "top-k":
        total = vector + memory
        _, chosen = jax.lax.top_k(jnp.abs(total), sent_entries(total.size, percent))
        decoded = jnp.zeros_like(total).at[chosen].set(total[chosen])
        return decoded, total - decoded
    return vector, memory


def rounded(key: Array, vector: Array) -> Array:
    """Return a vector rounded to 8 bits at random, so that its expectation is the vector.

    ``s floor(x / s + u)`` with ``s`` the largest magnitude over 127 and ``u`` uniform on [0, 1).
    """
    top = jnp.max(jnp.abs(vector))
    step = jnp.where(top > 0.0, top / LEVELS, 1.0)
    steps = jnp.floor(vector / step + jax.random.uniform(key, vector.shape))
    return jnp.clip(steps, -LEVELS, LEVELS) * step


def shortened(vector: Array, norm: Number) -> Array:
    """Return a vector ``[n]`` of a Euclidean norm of at most ``norm``; unchanged if that is 0."""
    length = jnp.sqrt(jnp.sum(jnp.square(vector)))
    factor = jnp.minimum(1.0, norm / jnp.maximum(length, 1e-12))
    return vector * jnp.where(jnp.asarray(norm) > 0.0, factor, 1.0)


def private_mean(
    key: Array, vectors: Array, norm: Number, multiplier: Number, right: Array | None = None
) -> Array:
    """Return the mean of vectors ``[clients, n]`` with noise for the largest of their norms.

    The Gaussian mechanism on a sum of sensitivity ``norm`` (McMahan, Ramage, Talwar and Zhang,
    ICLR 2018, arXiv:1710.06963): deviation ``multiplier norm / clients`` for every entry.

    Args:
        key: consumed.
        vectors: of norms up to ``norm``, see :func:`shortened`.
        norm: 0 for no privacy, and no noise.
        multiplier: noise in multiples of ``norm``.
        right: which clients count, ``[clients]``; all if None. Zero where none does, without noise.
    """
    clients, size = vectors.shape
    counted = jnp.ones((clients,), bool) if right is None else right
    total = jnp.sum(jnp.where(counted[:, None], vectors, 0.0), axis=0)
    count = jnp.maximum(jnp.sum(counted), 1)
    noise = jax.random.normal(key, (size,)) * (multiplier * norm / count) * jnp.any(counted)
    return total / count + noise


def median(vectors: Array, right: Array) -> Array:
    """Return the median of every entry over the clients that count.

    Yin, Chen, Ramchandran and Bartlett (ICML 2018, arXiv:1803.01498), option I: less than half of
    the clients cannot move it beyond what the others send.

    Args:
        vectors: ``[clients, n]``.
        right: which clients count, ``[clients]``. Zeros where none does.
    """
    middle = jnp.nanmedian(jnp.where(right[:, None], vectors, jnp.nan), axis=0)
    return jnp.where(jnp.any(right), middle, 0.0)


__all__ = [
    "Aggregate",
    "Encoding",
    "has_memory",
    "init_memory",
    "median",
    "private_mean",
    "rounded",
    "sent_entries",
    "shortened",
    "transmitted",
    "wire_bytes",
]
