"""Compute the weights of quality, delay and energy, and the reward that they make.

Equations (16) and (20) of SE-PPO, with the adaptation that the paper describes in words.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Number = Float[Array, "..."]


def scarcity(level: Number, threshold: Number, span: Number) -> Number:
    """Return ``clip((threshold - level) / span, 0, 1)``: 0 in plenty, 1 in need."""
    return jnp.clip((threshold - level) / span, 0.0, 1.0)


def shift_to_energy(
    weights: Float[Array, "*agents 3"], need: Number, fraction: Number
) -> Float[Array, "*agents 3"]:
    """Move ``fraction * need`` of the quality weight to the energy weight.

    Args:
        weights: (w_q, w_t, w_e), non-negative with sum 1.
        need: ``[*agents]`` in [0, 1], see :func:`scarcity`.
        fraction: the share moved at full need (0.7 by default).

    Returns:
        weights of the same shape whose sum is still 1.
    """
    moved = fraction * need * weights[..., 0]
    return jnp.stack([weights[..., 0] - moved, weights[..., 1], weights[..., 2] + moved], axis=-1)


def task_reward(
    weights: Float[Array, "*agents 3"],
    quality: Number,
    relative_delay: Number,
    relative_energy: Number,
) -> Number:
    """Return ``w_q beta(q) - w_t T / T_norm - w_e E / E_norm``. SE-PPO equations (16), (20)."""
    return (
        weights[..., 0] * quality
        - weights[..., 1] * relative_delay
        - weights[..., 2] * relative_energy
    )
