"""Targets and losses of Q-learning, by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.rules.value import double_target, huber, plain_target, value_of

REWARD = jnp.array([1.0, -2.0, 0.5])
ONLINE = jnp.array([[1.0, 3.0, 2.0], [0.0, -1.0, -2.0], [5.0, 4.0, 9.0]])
TARGET = jnp.array([[10.0, 20.0, 30.0], [7.0, 8.0, 9.0], [1.0, 2.0, 3.0]])
ENDED = jnp.array([False, False, True])


def test_plain_target_takes_the_best_of_the_target_network():
    goal = plain_target(REWARD, TARGET, ENDED, 0.5)
    np.testing.assert_allclose(goal, [1 + 0.5 * 30, -2 + 0.5 * 9, 0.5])


def test_double_target_chooses_with_one_network_and_judges_with_the_other():
    goal = double_target(REWARD, ONLINE, TARGET, ENDED, 0.5)
    np.testing.assert_allclose(goal, [1 + 0.5 * 20, -2 + 0.5 * 7, 0.5])


def test_the_targets_agree_when_the_networks_do():
    np.testing.assert_allclose(
        double_target(REWARD, TARGET, TARGET, ENDED, 0.9), plain_target(REWARD, TARGET, ENDED, 0.9)
    )


def test_value_of_is_indexing_and_its_gradient_reaches_the_chosen_action_only():
    action = jnp.array([2, 0, 1])
    np.testing.assert_allclose(value_of(ONLINE, action), [2.0, 0.0, 4.0])
    gradient = jax.grad(lambda values: jnp.sum(value_of(values, action)))(ONLINE)
    np.testing.assert_allclose(gradient, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize(
    ("error", "delta", "loss"),
    [(0.0, 1, 0), (0.5, 1, 0.125), (-0.5, 1, 0.125), (1, 1, 0.5), (3, 1, 2.5), (-3, 2, 4.0)],
)
def test_huber_by_hand(error, delta, loss):
    assert float(huber(jnp.float32(error), float(delta))) == pytest.approx(loss)


def test_the_gradient_of_huber_is_the_clipped_error():
    errors = jnp.array([-7.0, -1.5, -0.3, 0.2, 0.9, 4.0])
    np.testing.assert_allclose(jax.vmap(jax.grad(huber))(errors), jnp.clip(errors, -1, 1))
