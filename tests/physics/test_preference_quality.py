"""Weights, reward and quality: equations (16), (20) and the adaptation in words."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.physics.preference import scarcity, shift_to_energy, task_reward
from edgewright.physics.quality import saturating_quality

share = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("charge", "need"),
    # (50 - charge) / 40, clipped
    [(100.0, 0.0), (50.0, 0.0), (40.0, 0.25), (30.0, 0.5), (10.0, 1.0), (0.0, 1.0)],
)
def test_scarcity_of_charge(charge: float, need: float) -> None:
    assert scarcity(charge, 50.0, 40.0) == pytest.approx(need)


@given(level=st.floats(-200, 200), less=st.floats(0, 100))
def test_scarcity_is_a_share_and_falls_with_plenty(level: float, less: float) -> None:
    need, more_need = (float(scarcity(v, 50.0, 40.0)) for v in (level, level - less))
    assert 0.0 <= need <= more_need <= 1.0


def test_shift_by_hand() -> None:
    # best (0.7, 0.15, 0.15), need 0.5: moved 0.7 x 0.5 x 0.7 = 0.245 -> (0.455, 0.15, 0.395)
    made = shift_to_energy(jnp.array([0.7, 0.15, 0.15]), jnp.float32(0.5), jnp.float32(0.7))
    np.testing.assert_allclose(made, [0.455, 0.15, 0.395], rtol=1e-6)


@given(quality=share, split=share, need=share, fraction=share)
def test_weights_stay_a_distribution(
    quality: float, split: float, need: float, fraction: float
) -> None:
    before = np.array([quality, (1 - quality) * split, (1 - quality) * (1 - split)], np.float32)
    after = np.asarray(shift_to_energy(jnp.asarray(before), need, fraction))
    assert after.sum() == pytest.approx(1.0, abs=1e-6)
    assert after.min() >= -1e-7
    assert after[1] == before[1]
    assert after[2] >= before[2] - 1e-7


def test_reward_by_hand() -> None:
    # balanced, local, medium: 0.4 x 0.77 - 0.3 x 2.75 / 10 - 0.3 x 22 / 40
    # = 0.308 - 0.0825 - 0.165 = 0.0605
    weights = jnp.array([[0.4, 0.3, 0.3], [1.0, 0.0, 0.0]])
    made = task_reward(weights, jnp.array([0.77, 0.5]), jnp.array([0.275, 9.0]), jnp.full(2, 0.55))
    np.testing.assert_allclose(made, [0.0605, 0.5], rtol=1e-5)


def test_reward_agrees_with_numpy() -> None:
    rng = np.random.default_rng(2)
    weights, values = rng.dirichlet(np.ones(3), 40), rng.uniform(0, 2, (3, 40))
    made = task_reward(jnp.asarray(weights), *(jnp.asarray(v) for v in values))
    expected = (weights * np.stack([values[0], -values[1], -values[2]], axis=-1)).sum(-1)
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-6)


def test_quality_ladder() -> None:
    # (1 - e^-0.6) / (1 - e^-2.4) = 0.45119 / 0.90928 = 0.4962; (1 - e^-1.2) / ... = 0.7685
    made = np.asarray(saturating_quality(jnp.array([0.5, 1.0, 2.0]), 1.2, 2.0))
    np.testing.assert_allclose(made, [0.49620, 0.76852, 1.0], atol=1e-4)
    np.testing.assert_allclose(np.round(made, 2), [0.50, 0.77, 1.00], atol=1e-6)


@given(multiplier=st.floats(0, 2), more=st.floats(0, 2), rate=st.floats(0.1, 5))
def test_quality_rises_ever_more_slowly(multiplier: float, more: float, rate: float) -> None:
    def quality(steps: float) -> float:
        return float(saturating_quality(steps, rate, 2.0))

    middle = multiplier + more / 2
    assert quality(multiplier) <= quality(multiplier + more) + 1e-6
    assert quality(middle) >= (quality(multiplier) + quality(multiplier + more)) / 2 - 1e-6
    exact = (1 - math.exp(-rate * multiplier)) / (1 - math.exp(-rate * 2))
    assert quality(multiplier) == pytest.approx(exact, abs=1e-5)
