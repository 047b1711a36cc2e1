"""Compute the schedules, the forward law and the reverse step of a denoising diffusion.

Ho, Jain and Abbeel, "Denoising diffusion probabilistic models", NeurIPS 2020 (arXiv:2006.11239).
Step ``t`` goes from 1, the last denoising step, to ``T``, the first; arrays hold it at ``t - 1``.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
Number = Array | float
ScheduleName = Literal["vp", "linear", "cosine"]

VP_LOW, VP_HIGH = 0.1, 10.0
LINEAR_LOW, LINEAR_HIGH = 1e-4, 2e-2
COSINE_OFFSET, LARGEST_BETA = 0.008, 0.999


@dataclasses.dataclass(frozen=True)
class NoiseSchedule:
    """Constants of every step, float32 ``[T]``.

    Attributes:
        beta: variance that the forward step adds.
        alpha: ``1 - beta``.
        signal: ``abar_t``, the product of ``alpha`` up to ``t``: share of the variance of ``a_0``.
        from_clean: ``k1_t``, weight of the estimate of ``a_0`` in the mean of the reverse step.
        from_noisy: ``k2_t``, weight of ``a_t`` in it.
        deviation: of the noise that the reverse step adds; 0 for ``t = 1``.
    """

    beta: np.ndarray
    alpha: np.ndarray
    signal: np.ndarray
    from_clean: np.ndarray
    from_noisy: np.ndarray
    deviation: np.ndarray


@functools.cache
def noise_schedule(name: ScheduleName, steps: int) -> NoiseSchedule:
    """Return the constants of ``T = steps`` denoising steps.

    ``beta_t`` is, for ``"vp"`` (the variance-preserving process of Song et al., ICLR 2021,
    discretised as in Xiao et al., ICLR 2022), ``1 - exp(-b/T - (B - b)(2t - 1)/(2T^2))`` with ``b``
    0.1 and ``B`` 10; for ``"linear"`` (Ho et al. 2020) a line from 1e-4 to 2e-2; for ``"cosine"``
    (Nichol and Dhariwal, ICML 2021, equation 17) what makes ``abar_t`` proportional to
    ``cos^2(pi/2 (t/T + 0.008)/1.008)``. The reverse step is the posterior of Ho et al. 2020,
    equations 6 and 7: ``k1_t = beta_t sqrt(abar_{t-1}) / (1 - abar_t)``,
    ``k2_t = (1 - abar_{t-1}) sqrt(alpha_t) / (1 - abar_t)``, variance
    ``beta_t (1 - abar_{t-1}) / (1 - abar_t)``, with ``abar_0 = 1``.
    """
    beta = _betas(name, steps)
    alpha = 1.0 - beta
    signal = np.cumprod(alpha)
    before = np.concatenate([[1.0], signal[:-1]])
    values = (
        beta,
        alpha,
        signal,
        beta * np.sqrt(before) / (1.0 - signal),
        (1.0 - before) * np.sqrt(alpha) / (1.0 - signal),
        np.sqrt(beta * (1.0 - before) / (1.0 - signal)),
    )
    return NoiseSchedule(*(value.astype(np.float32) for value in values))


def _betas(name: ScheduleName, steps: int) -> np.ndarray:
    t = np.arange(1, steps + 1, dtype=np.float64)
    if name == "linear":
        return np.linspace(LINEAR_LOW, LINEAR_HIGH, steps)
    if name == "cosine":
        share = np.arange(steps + 1) / steps
        wave = np.cos((share + COSINE_OFFSET) / (1.0 + COSINE_OFFSET) * np.pi / 2) ** 2
        return np.minimum(1.0 - wave[1:] / wave[:-1], LARGEST_BETA)
    slope = (VP_HIGH - VP_LOW) * (2 * t - 1) / (2 * steps**2)
    return 1.0 - np.exp(-VP_LOW / steps - slope)


def noised(clean: Array, noise: Array, signal: Number) -> Array:
    """Return ``a_t = sqrt(abar_t) a_0 + sqrt(1 - abar_t) eps`` (Ho et al. 2020, equation 4)."""
    return jnp.sqrt(signal) * clean + jnp.sqrt(1.0 - signal) * noise


def estimated_clean(noisy: Array, noise: Array, signal: Number) -> Array:
    """Return ``a_0 = (a_t - sqrt(1 - abar_t) eps) / sqrt(abar_t)``: :func:`noised` inverted."""
    return (noisy - jnp.sqrt(1.0 - signal) * noise) / jnp.sqrt(signal)


def mean_from_noise(
    noisy: Array, noise: Array, beta: Number, alpha: Number, signal: Number
) -> Array:
    """Return ``(a_t - beta_t eps / sqrt(1 - abar_t)) / sqrt(alpha_t)`` (Ho et al., 11)."""
    return (noisy - beta * noise / jnp.sqrt(1.0 - signal)) / jnp.sqrt(alpha)


def mean_from_clean(clean: Array, noisy: Array, from_clean: Number, from_noisy: Number) -> Array:
    """Return ``k1_t a_0 + k2_t a_t``, the posterior mean (Ho et al. 2020, equation 7)."""
    return from_clean * clean + from_noisy * noisy


def straight_through_clip(x: Array) -> Array:
    """Return ``clip(x, -1, 1)`` whose slope is 1 everywhere (Bengio et al., arXiv:1308.3432).

    The slope of a plain clip is 0 outside, where a policy could never be moved back.
    """
    return x + jax.lax.stop_gradient(jnp.clip(x, -1.0, 1.0) - x)


def time_features(steps: int, size: int) -> np.ndarray:
    """Return sinusoidal features ``[T, size]`` of ``t = 1 .. T`` (Vaswani et al., NeurIPS 2017).

    Half are sines, half cosines, of ``t / 10000^(i / (size/2 - 1))``.
    """
    half = size // 2
    rates = np.exp(-np.log(10_000.0) * np.arange(half) / max(half - 1, 1))
    angles = np.arange(1, steps + 1)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


__all__ = [
    "NoiseSchedule",
    "ScheduleName",
    "estimated_clean",
    "mean_from_clean",
    "mean_from_noise",
    "noise_schedule",
    "noised",
    "straight_through_clip",
    "time_features",
]
