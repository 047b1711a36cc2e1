"""Compute the targets of actor-critics of real numbers: DDPG, the parts that TD3 adds, and SAC.

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


def soft_target(
    reward: Batch,
    judged: Judged,
    log_density: Batch,
    terminated: Flags,
    gamma: Number,
    temperature: Number,
) -> Batch:
    """Return ``r + gamma (min_i Q'_i(s', a') - alpha log pi(a'|s'))``, or ``r`` at an end.

    Haarnoja et al., "Soft actor-critic algorithms and applications" (arXiv:1812.05905, 2018),
    equations 3 and 5, with the least of the critics as in its algorithm 1.
    """
    soft = judged - temperature * log_density[..., None]
    return least_target(reward, soft, terminated, gamma)


def temperature_loss(log_temperature: Number, log_density: Batch, target_entropy: Number) -> Array:
    """Return ``-log alpha mean(log pi + H)``: it raises the temperature where entropy is below H.

    Haarnoja et al. 2018, equation 18, with ``log alpha`` for ``alpha`` in front, as their code.
    """
    shortage = jax.lax.stop_gradient(jnp.mean(log_density) + target_entropy)
    return -log_temperature * shortage


def polyak(target: Weights, online: Weights, tau: Number) -> Weights:
    """Return ``(1 - tau) target + tau online`` for every array (Polyak and Juditsky 1992)."""
    return jax.tree.map(lambda old, new: old + tau * (new - old), target, online)


__all__ = ["least_target", "polyak", "smoothed_action", "soft_target", "temperature_loss"]
