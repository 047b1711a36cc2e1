"""Advantages and running returns against slow loops in double precision."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.rules.returns import (
    expected_advantages,
    generalised_advantages,
    running_returns,
)

STEPS, COPIES = 9, 3

advantages = jax.jit(generalised_advantages)
totals = jax.jit(running_returns)


def slow_advantages(rewards, values, next_values, terminated, done, gamma, gae_lambda):
    """Sum ``(gamma lambda)^l delta_{t+l}`` for every step, up to the episode's end."""
    result = np.zeros_like(rewards)
    for copy in range(rewards.shape[1]):
        for start in range(rewards.shape[0]):
            for t in range(start, rewards.shape[0]):
                future = 0.0 if terminated[t, copy] else gamma * next_values[t, copy]
                delta = rewards[t, copy] + future - values[t, copy]
                result[start, copy] += (gamma * gae_lambda) ** (t - start) * delta
                if done[t, copy]:
                    break
    return result


@given(
    seed=st.integers(0, 2**32 - 1),
    gamma=st.floats(0.0, 1.0),
    gae_lambda=st.floats(0.0, 1.0),
    ends=st.sampled_from([0.0, 0.15, 0.5, 1.0]),
)
def test_advantages_are_the_double_sum(seed, gamma, gae_lambda, ends):
    rng = np.random.default_rng(seed)
    rewards, values, next_values = rng.normal(size=(3, STEPS, COPIES))
    done = rng.random((STEPS, COPIES)) < ends
    terminated = done & (rng.random((STEPS, COPIES)) < 0.5)
    given_ = (rewards, values, next_values)
    found = advantages(
        *(jnp.asarray(a, jnp.float32) for a in given_), terminated, done, gamma, gae_lambda
    )
    expected = slow_advantages(*given_, terminated, done, gamma, gae_lambda)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_lambda_one_gives_returns_and_lambda_zero_one_step_errors():
    rewards = jnp.array([[1.0], [2.0], [3.0]])
    values = jnp.array([[0.5], [0.25], [0.125]])
    following = jnp.array([[0.25], [0.125], [8.0]])
    off = jnp.zeros((3, 1), bool)
    monte_carlo = advantages(rewards, values, following, off, off, 0.5, 1.0) + values
    np.testing.assert_allclose(monte_carlo[0, 0], 1 + 0.5 * 2 + 0.25 * 3 + 0.125 * 8)
    one_step = advantages(rewards, values, following, off, off, 0.5, 0.0)
    np.testing.assert_allclose(one_step, rewards + 0.5 * following - values)


def test_a_cut_bootstraps_and_an_end_does_not():
    one = jnp.ones((1, 1))
    yes, no = jnp.ones((1, 1), bool), jnp.zeros((1, 1), bool)
    cut = advantages(one, 0 * one, 10 * one, no, yes, 0.9, 0.95)
    end = advantages(one, 0 * one, 10 * one, yes, yes, 0.9, 0.95)
    assert (float(cut[0, 0]), float(end[0, 0])) == pytest.approx((10.0, 1.0))


@given(seed=st.integers(0, 2**32 - 1), gamma=st.floats(0.0, 1.0))
def test_running_returns_are_the_loop(seed, gamma):
    rng = np.random.default_rng(seed)
    rewards = rng.normal(size=(STEPS, COPIES))
    done = rng.random((STEPS, COPIES)) < 0.3
    before = start = rng.normal(size=COPIES)
    expected = []
    for reward, over in zip(rewards, done, strict=True):
        expected.append(reward + gamma * before)
        before = np.where(over, 0.0, expected[-1])
    after, found = totals(
        jnp.asarray(rewards, jnp.float32), done, jnp.asarray(start, jnp.float32), gamma
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_expected_advantages_are_free_of_the_action_that_was_drawn():
    rng = np.random.default_rng(0)
    outcomes, values = rng.normal(size=(4, 1, 3)), rng.normal(size=(4, 1))
    law = np.array([0.2, 0.5, 0.3])
    done = jnp.array([[False], [True], [False], [False]])
    found = expected_advantages(jnp.asarray(outcomes @ law), jnp.asarray(values), done, 0.9, 0.5)
    deltas = outcomes @ law - values
    expected = [deltas[0] + 0.45 * deltas[1], deltas[1], deltas[2] + 0.45 * deltas[3], deltas[3]]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-5)
    exact = expected_advantages(
        jnp.asarray(outcomes @ law), jnp.asarray(outcomes @ law), done, 0.9, 0.5
    )
    np.testing.assert_array_equal(exact, np.zeros((4, 1)))
