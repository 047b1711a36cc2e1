"""Compute the targets of deterministic actor-critics: DDPG, and the parts that TD3 adds.

Lillicrap et al., "Continuous control with deep reinforcement learning", ICLR 2016; Fujimoto, van
Hoof, Meger, "Addressing function approximation error in actor-critic methods", ICML 2018.
"""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Batch = Float[Array, "*batch"]
Flags = Bool[Array, "*batch"]
Numbers = Float[Array, "*batch numbers"]
Judged = Float[Array, "*batch critics"]
Number = Float[Array, ""] | float
Weights = TypeVar("Weights")


def smoothed_action(action: Numbers, noise: Numbers, noise_clip: Number, bound: float) -> Numbers:
    """Return ``clip(a + clip(noise, -c, c), -b, b)``: target policy smoothing.

    Fujimoto et al. 2018, equation 14; the noise is Gaussian there. ``bound`` is infinite where
    actions have no bounds.
    """
    return jnp.clip(action + jnp.clip(noise, -noise_clip, noise_clip), -bound, bound)


def least_target(reward: Batch, judged: Judged, terminated: Flags, gamma: Number) -> Batch:
    """Return ``r + gamma min_i Q'_i(s', a')``, or ``r`` where the episode terminated.

    With one critic it is the target of Lillicrap et al. 2016 (algorithm 1), with two that of
    clipped double Q-learning (Fujimoto et al. 2018, equation 10). A truncated step still
    bootstraps: pass ``terminated``, never ``done``.
    """
    return reward + gamma * jnp.where(terminated, 0.0, jnp.min(judged, axis=-1))


def polyak(target: Weights, online: Weights, tau: Number) -> Weights:
    """Return ``(1 - tau) target + tau online`` for every array (Polyak and Juditsky 1992)."""
    return jax.tree.map(lambda old, new: old + tau * (new - old), target, online)


__all__ = ["least_target", "polyak", "smoothed_action"]
