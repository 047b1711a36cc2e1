"""Targets of DDPG and TD3, against NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.rules.actor_critic import least_target, polyak, smoothed_action

REWARD = jnp.array([1.0, -2.0, 0.5])
JUDGED = jnp.array([[10.0, 20.0], [7.0, -8.0], [1.0, 2.0]])
ENDED = jnp.array([False, False, True])


def test_the_least_critic_is_the_target_and_nothing_follows_a_termination() -> None:
    goal = least_target(REWARD, JUDGED, ENDED, 0.5)
    np.testing.assert_allclose(goal, [1 + 0.5 * 10, -2 + 0.5 * -8, 0.5])


def test_one_critic_is_its_own_least() -> None:
    goal = least_target(REWARD, JUDGED[:, :1], ENDED, 0.5)
    np.testing.assert_allclose(goal, [1 + 0.5 * 10, -2 + 0.5 * 7, 0.5])


@pytest.mark.parametrize("bound", [1.0, np.inf])
def test_smoothed_actions_are_those_of_numpy(bound: float) -> None:
    generator = np.random.default_rng(0)
    action = generator.uniform(-1, 1, (50, 3)).astype(np.float32)
    noise = generator.normal(0, 0.5, (50, 3)).astype(np.float32)
    by_hand = np.clip(action + np.clip(noise, -0.3, 0.3), -bound, bound)
    found = smoothed_action(jnp.asarray(action), jnp.asarray(noise), 0.3, bound)
    np.testing.assert_allclose(found, by_hand, atol=1e-6)
    assert (np.abs(by_hand).max() > 1) == (bound > 1)


def test_targets_go_a_share_of_the_way() -> None:
    target = {"weight": jnp.array([1.0, 2.0]), "bias": jnp.array(0.0)}
    online = {"weight": jnp.array([3.0, 0.0]), "bias": jnp.array(10.0)}
    moved = polyak(target, online, 0.1)
    np.testing.assert_allclose(moved["weight"], [1.2, 1.8], rtol=1e-6)
    assert float(moved["bias"]) == pytest.approx(1.0)
    for tau, end in ((0.0, target), (1.0, online)):
        exact = jax.tree.map(np.testing.assert_array_equal, polyak(target, online, tau), end)
        assert exact is not None
