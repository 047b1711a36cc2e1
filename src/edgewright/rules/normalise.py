"""Running normalisation of observations and rewards. SE-PPO equations (21), (22)."""

from __future__ import annotations

import jax.numpy as jnp

from edgewright.core.records import Array, record

EPSILON = 1e-8
CLIP = 10.0
"""Clip ``C`` of equations (21), (22); the paper gives none, 10 is the usual choice (SB3)."""


@record
class Moments:
    """Count, mean and summed squared deviation of everything seen so far (Welford 1962)."""

    count: Array
    mean: Array
    deviation: Array

    @property
    def variance(self) -> Array:
        """Return the population variance; 1 before anything was seen."""
        return jnp.where(self.count > 0, self.deviation / jnp.maximum(self.count, 1.0), 1.0)


def no_moments(shape: tuple[int, ...]) -> Moments:
    """Return the moments of nothing."""
    return Moments(count=jnp.zeros(()), mean=jnp.zeros(shape), deviation=jnp.zeros(shape))


def merge(moments: Moments, batch: Array) -> Moments:
    """Return the moments after a batch ``[..., *shape]`` (Chan, Golub, LeVeque 1983, equation 2.1).

    The pairwise form of Welford's update: equal to feeding the rows one by one.
    """
    axes = tuple(range(batch.ndim - moments.mean.ndim))
    size = batch.size // max(moments.mean.size, 1)
    mean = jnp.mean(batch, axis=axes)
    deviation = jnp.sum(jnp.square(batch - mean), axis=axes)
    count = moments.count + size
    shift = mean - moments.mean
    return Moments(
        count=count,
        mean=moments.mean + shift * size / count,
        deviation=moments.deviation + deviation + jnp.square(shift) * moments.count * size / count,
    )


def standardise(
    moments: Moments, values: Array, clip: float = CLIP, epsilon: float = EPSILON
) -> Array:
    """Return ``clip((s - mu) / sqrt(var + eps), -C, C)``. Equation (21)."""
    scaled = (values - moments.mean) / jnp.sqrt(moments.variance + epsilon)
    return jnp.clip(scaled, -clip, clip)


def scale(moments: Moments, rewards: Array) -> Array:
    """Return ``clip(r / (sigma_R + eps), -C, C)``; no centring. Equation (22)."""
    return jnp.clip(rewards / (jnp.sqrt(moments.variance) + EPSILON), -CLIP, CLIP)
