"""Schedules and reverse steps of a diffusion, against values and identities."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.nets.denoising import (
    estimated_clean,
    mean_from_clean,
    mean_from_noise,
    noise_schedule,
    noised,
    straight_through_clip,
    time_features,
)

NAMES: tuple[Any, ...] = ("vp", "linear", "cosine")


def test_the_variance_preserving_schedule_of_five_steps_has_its_published_values() -> None:
    found = noise_schedule("vp", 5)
    np.testing.assert_allclose(found.beta, [0.196, 0.459, 0.636, 0.755, 0.835], atol=6e-4)
    np.testing.assert_allclose(found.signal, [0.804, 0.435, 0.158, 0.039, 0.0064], atol=6e-4)
    np.testing.assert_allclose(found.deviation, [0, 0.399, 0.653, 0.813, 0.899], atol=6e-4)
    np.testing.assert_allclose(found.from_clean, [1, 0.728, 0.498, 0.313, 0.166], atol=6e-4)
    np.testing.assert_allclose(found.from_noisy, [0, 0.255, 0.405, 0.433, 0.393], atol=6e-4)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 50])
def test_its_chain_ends_in_the_same_noise_for_every_number_of_steps(steps: int) -> None:
    assert noise_schedule("vp", steps).signal[-1] == pytest.approx(np.exp(-5.05), rel=1e-4)


def test_a_line_leaves_most_of_the_action_and_the_cosine_follows_its_wave() -> None:
    assert noise_schedule("linear", 5).signal[-1] > 0.94  # no noise: useless for a few steps
    assert noise_schedule("linear", 1000).signal[-1] < 1e-4
    share = np.arange(1, 9) / 8
    wave = np.cos((share + 0.008) / 1.008 * np.pi / 2) ** 2
    wave /= np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(noise_schedule("cosine", 8).signal[:-1], wave[:-1], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_reverse_step_keeps_the_law_of_the_forward_one(name: Any) -> None:
    """Where ``a_0`` is known, ``a_{t-1}`` has mean sqrt(abar) a_0 and variance 1 - abar."""
    s = noise_schedule(name, 6)
    before = np.concatenate([[1.0], s.signal[:-1]])
    mean = s.from_clean + s.from_noisy * np.sqrt(s.signal)
    np.testing.assert_allclose(mean, np.sqrt(before), atol=1e-6)
    variance = s.from_noisy**2 * (1 - s.signal) + s.deviation**2
    np.testing.assert_allclose(variance, 1 - before, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_forward_law_is_inverted_and_both_means_agree(name: Any) -> None:
    s = noise_schedule(name, 5)
    clean = jax.random.uniform(jax.random.key(0), (5, 7), minval=-1.0)
    noise = jax.random.normal(jax.random.key(1), (5, 7))
    signal = s.signal[:, None]
    noisy = noised(clean, noise, signal)
    np.testing.assert_allclose(estimated_clean(noisy, noise, signal), clean, atol=2e-5)
    one = mean_from_clean(clean, noisy, s.from_clean[:, None], s.from_noisy[:, None])
    other = mean_from_noise(noisy, noise, s.beta[:, None], s.alpha[:, None], signal)
    np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_perfect_noise_leads_back_to_the_action_from_anywhere(name: Any) -> None:
    s = noise_schedule(name, 5)
    clean = jax.random.uniform(jax.random.key(0), (9, 4), minval=-1.0)
    noisy = jax.random.normal(jax.random.key(1), (9, 4))
    for t in range(4, -1, -1):
        noise = (noisy - jnp.sqrt(s.signal[t]) * clean) / jnp.sqrt(1 - s.signal[t])
        fresh = jax.random.normal(jax.random.key(2 + t), (9, 4))
        mean = mean_from_noise(noisy, noise, s.beta[t], s.alpha[t], s.signal[t])
        noisy = mean + s.deviation[t] * fresh
    np.testing.assert_allclose(noisy, clean, atol=1e-5)


def test_the_clip_has_a_slope_outside() -> None:
    x = jnp.array([-3.0, 0.2, 1.5])
    np.testing.assert_allclose(straight_through_clip(x), [-1.0, 0.2, 1.0], atol=1e-6)
    slope = jax.grad(lambda x: jnp.sum(straight_through_clip(x)))(x)
    np.testing.assert_array_equal(slope, 1.0)


def test_no_two_steps_look_alike() -> None:
    rows = time_features(20, 16)
    assert rows.shape == (20, 16)
    np.testing.assert_allclose(np.sum(rows**2, axis=1), 8.0, rtol=1e-5)
    np.testing.assert_allclose(rows[:, 0], np.sin(np.arange(1, 21)), rtol=1e-5)
    distance = np.linalg.norm(rows[:, None] - rows, axis=-1)
    assert distance[~np.eye(20, dtype=bool)].min() > 0.3
