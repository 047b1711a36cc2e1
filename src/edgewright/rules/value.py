"""Compute Q-learning targets and losses elementwise; actions are on the last axis of values."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Batch = Float[Array, "*batch"]
Values = Float[Array, "*batch actions"]
Flags = Bool[Array, "*batch"]
Choices = Int[Array, "*batch"]
Number = Float[Array, ""] | float


def value_of(values: Values, action: Choices) -> Batch:
    """Return ``Q(s, a)``, by a product with a one-hot vector: faster than a gather on a CPU."""
    chosen = action[..., None] == jnp.arange(values.shape[-1])
    return jnp.sum(jnp.where(chosen, values, 0.0), axis=-1)


def plain_target(reward: Batch, next_target: Values, terminated: Flags, gamma: Number) -> Batch:
    """Return ``r + gamma max_a Q'(s', a)``, or ``r`` where the episode terminated.

    ``Q'`` is the target network (Mnih et al., Nature 2015, equation of the target in Methods). A
    truncated step still bootstraps: pass ``terminated``, never ``done``.
    """
    return reward + gamma * jnp.where(terminated, 0.0, jnp.max(next_target, axis=-1))


def double_target(
    reward: Batch, next_online: Values, next_target: Values, terminated: Flags, gamma: Number
) -> Batch:
    """Return ``r + gamma Q'(s', argmax_a Q(s', a))``, or ``r`` where the episode terminated.

    The online network ``Q`` chooses, the target network ``Q'`` judges: the maximum over noise is
    not taken for value (van Hasselt, Guez, Silver, AAAI 2016, equation 4).
    """
    judged = value_of(next_target, jnp.argmax(next_online, axis=-1))
    return reward + gamma * jnp.where(terminated, 0.0, judged)


def huber(error: Batch, delta: Number = 1.0) -> Batch:
    """Return ``e^2 / 2`` where ``|e| <= delta``, else ``delta (|e| - delta / 2)``.

    Huber (1964), equation of section 4. With ``delta = 1`` its gradient is the error clipped to
    [-1, 1] of Mnih et al. 2015.
    """
    size = jnp.abs(error)
    inner = jnp.minimum(size, delta)
    return inner * (size - inner / 2)
