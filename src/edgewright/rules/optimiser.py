"""Give the optimiser that learners with a replay share."""

from __future__ import annotations

import jax.numpy as jnp
import optax

from edgewright.core.records import Number


def clipped_adam(max_grad_norm: Number) -> optax.GradientTransformation:
    """Return Adam (Kingma and Ba, ICLR 2015) without a learning rate, behind a clipped norm.

    Its updates point up the loss and are to be multiplied by a rate, so a rate that is a number of
    the compiled program needs no other optimiser.

    Args:
        max_grad_norm: largest Euclidean norm of a gradient; a longer one is shortened.
    """
    return optax.chain(
        optax.clip_by_global_norm(max_grad_norm),  # pyright: ignore[reportArgumentType]
        optax.scale_by_adam(),
    )


def mean_of_numbers(values: jnp.ndarray) -> jnp.ndarray:
    """Return the mean of the entries that are not NaN; 0 if all are."""
    known = ~jnp.isnan(values)
    return jnp.sum(jnp.where(known, values, 0.0)) / jnp.maximum(jnp.sum(known), 1)


__all__ = ["clipped_adam", "mean_of_numbers"]
