"""Learn the quantiles of a return instead of its mean.

Dabney, Rowland, Bellemare and Munos, "Distributional reinforcement learning with quantile
regression", AAAI 2018.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def value_of(quantiles: Float[Array, "*batch k"]) -> Float[Array, "*batch"]:
    """Return the mean of ``k`` quantiles, the value; with one it is that number itself."""
    if quantiles.shape[-1] == 1:
        return quantiles[..., 0]
    return jnp.mean(quantiles, axis=-1)


def quantile_loss(
    quantiles: Float[Array, "batch k"], target: Float[Array, " batch"]
) -> Float[Array, ""]:
    """Return the mean loss of quantiles at ``(2 i + 1) / 2 k`` towards sampled returns.

    Equations (9) and (10) of the paper: ``|tau - 1{u < 0}| H(u)`` of ``u = target - quantile``,
    summed over quantiles, where ``H`` is the Huber loss with threshold 1. With one quantile it is
    the squared error ``u^2``, whose minimum is the mean.
    """
    count = quantiles.shape[-1]
    apart = target[..., None] - quantiles
    if count == 1:
        return jnp.mean(jnp.square(apart[..., 0]))
    size = jnp.abs(apart)
    huber = jnp.where(size <= 1.0, 0.5 * jnp.square(apart), size - 0.5)
    levels = (jnp.arange(count) + 0.5) / count
    return jnp.mean(jnp.sum(jnp.abs(levels - (apart < 0)) * huber, axis=-1))


__all__ = ["quantile_loss", "value_of"]
