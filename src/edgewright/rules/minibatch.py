"""Draw the order in which an epoch visits its samples."""

from __future__ import annotations

import jax.numpy as jnp

from edgewright.core.records import Array

_PRIMES = (
    71411, 69379, 74747, 81649, 92083, 104729, 115249, 130363, 145721, 160481,
    175961, 191339, 206477, 222107, 239017, 254209,
)  # fmt: skip


def affine_order(words: Array, size: int) -> Array:
    """Return a permutation ``i -> (a i + b) mod size`` of ``range(size)``, ``a``, ``b`` random.

    ``a`` is a prime that does not divide ``size``, so every sample is visited exactly once. A true
    shuffle sorts ``size`` random words, which costs more than the gradient steps of a small network
    on a CPU; neighbours in time still land in different minibatches.

    Args:
        words: two random uint32 numbers.
        size: number of samples, at most 2^20.
    """
    usable = [prime for prime in _PRIMES if size % prime]
    # A step of 1 either way would leave time in its order (65537 does in every power of two).
    usable = [prime for prime in usable if 1 < prime % size < size - 1] or usable
    which, shift = words[0] % len(usable), words[1] % size
    factor = jnp.array([prime % size for prime in usable], jnp.uint32)[which]
    index = jnp.arange(size, dtype=jnp.uint32)
    if size > 2**16:  # keep the product below 2^32: multiply by halves
        high = (index >> 8) * (factor % size) % size
        product = ((high % size) * 256 + (index & 255) * factor) % size
    else:
        product = (index * factor) % size
    return ((product + shift) % size).astype(jnp.int32)
