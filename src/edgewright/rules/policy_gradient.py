"""Compute the clipped surrogate of policy gradients. SE-PPO equations (28) to (30)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Batch = Float[Array, "*batch"]
Number = Float[Array, ""] | float


def clipped_surrogate(
    log_probability: Batch, old_log_probability: Batch, advantage: Batch, clip: Number
) -> Batch:
    """Return ``min(rho A, clip(rho, 1 - c, 1 + c) A)`` with ``rho = pi / pi_old``. (28), (29).

    Maximised by the learner. With an infinite ``clip`` and one epoch it is the plain policy
    gradient of A2C.
    """
    ratio = jnp.exp(log_probability - old_log_probability)
    return jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - clip, 1 + clip) * advantage)


def clipped_share(log_probability: Batch, old_log_probability: Batch, clip: Number) -> Batch:
    """Return 1 where the ratio has left ``[1 - c, 1 + c]``: how often the clip is at work."""
    ratio = jnp.exp(log_probability - old_log_probability)
    return (jnp.abs(ratio - 1) > clip).astype(jnp.float32)
