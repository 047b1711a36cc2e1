"""Turn the output of a network into a distribution or a value."""

from __future__ import annotations

import jax
import jax.numpy as jnp

Array = jax.Array


def sample_categorical(key: Array, logits: Array) -> Array:
    """Draw an index from ``softmax(logits)`` over the last axis, with one uniform number.

    Inversion of the cumulative distribution; a Gumbel draw would need one number per choice.
    Consumes ``key``.
    """
    reached = jnp.cumsum(jax.nn.softmax(logits), axis=-1)
    chance = jax.random.uniform(key, logits.shape[:-1])
    index = jnp.sum(chance[..., None] >= reached, axis=-1, dtype=jnp.int32)
    return jnp.minimum(index, logits.shape[-1] - 1)


def log_probability(logits: Array, action: Array) -> Array:
    """Return ``log softmax(logits)[action]`` over the last axis.

    The choice is a product with a one-hot vector: a gather is slower on a CPU and its gradient a
    scatter.
    """
    log_softmax = jax.nn.log_softmax(logits)
    chosen = action[..., None] == jnp.arange(logits.shape[-1])
    return jnp.sum(jnp.where(chosen, log_softmax, 0.0), axis=-1)


def categorical_entropy(logits: Array) -> Array:
    """Return ``-sum p log p`` of ``softmax(logits)`` over the last axis, in nats."""
    log_softmax = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(log_softmax) * log_softmax, axis=-1)


def dueling_values(value: Array, advantages: Array) -> Array:
    """Return ``Q = V + A - mean A`` (Wang et al., ICML 2016, equation 9)."""
    return value + advantages - jnp.mean(advantages, axis=-1, keepdims=True)
