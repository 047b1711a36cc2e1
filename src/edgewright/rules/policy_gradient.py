"""Compute the clipped surrogate of policy gradients. SE-PPO equations (28) to (30)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Batch = Float[Array, "*batch"]
Values = Float[Array, "*batch actions"]
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


def all_action_advantages(values: Values, probabilities: Values) -> Values:
    """Return ``A(a) = Q(a) - sum_b pi(b) Q(b)`` from the values ``Q`` of all actions."""
    return values - jnp.sum(probabilities * values, axis=-1, keepdims=True)


def all_action_surrogate(
    log_probabilities: Values, old_log_probabilities: Values, advantages: Values, clip: Number
) -> Batch:
    """Return ``sum_a pi_old(a) min(rho_a A_a, clip(rho_a, 1 - c, 1 + c) A_a)``.

    The expectation of the clipped surrogate over the actions that could have been sampled: the
    all-action policy gradient (Ciosek and Whiteson, AAAI 2018) under the clip of PPO.
    """
    surrogate = clipped_surrogate(log_probabilities, old_log_probabilities, advantages, clip)
    return jnp.sum(jnp.exp(old_log_probabilities) * surrogate, axis=-1)


def imitation_loss(scores: Values, wanted: Int[Array, "*batch"]) -> Float[Array, ""]:
    """Return the mean of ``-log pi(a*)``, the cross-entropy to the actions of a guide.

    Kickstarting (Schmitt et al., "Kickstarting deep reinforcement learning", arXiv:1803.03835,
    equation 3) for a guide that is certain.
    """
    log_p = jax.nn.log_softmax(scores)
    return -jnp.mean(jnp.take_along_axis(log_p, wanted[..., None], axis=-1))


def clipped_share(log_probability: Batch, old_log_probability: Batch, clip: Number) -> Batch:
    """Return 1 where the ratio has left ``[1 - c, 1 + c]``: how often the clip is at work."""
    ratio = jnp.exp(log_probability - old_log_probability)
    return (jnp.abs(ratio - 1) > clip).astype(jnp.float32)
