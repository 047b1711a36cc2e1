"""Transitions: what is stored, and what networks see of it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.records import Trajectory
from edgewright.core.spaces import Box
from edgewright.rules.replay import add, draw, empty
from edgewright.rules.scaling import InputScaler, RewardScaler
from edgewright.rules.transitions import blank, normalised, transitions

SHAPE = (3, 2, 5)  # steps, environments, agents


def trajectory(action: jnp.ndarray) -> Trajectory:
    observation = jnp.arange(60.0).reshape(*SHAPE, 2)
    return Trajectory(
        observation=observation,
        action=action,
        aux=(),
        reward=jnp.arange(30.0).reshape(SHAPE),
        terminated=jnp.array([[True, False], [False, False], [False, True]]),
        truncated=jnp.zeros((3, 2), bool),
        next_observation=observation + 1,
        metrics=(),
    )


@pytest.mark.parametrize("axes", [0, 1])
def test_every_agent_of_a_step_is_a_sample_of_its_own(axes: int) -> None:
    action = jnp.arange(30.0 * 4**axes).reshape(*SHAPE, *[4] * axes)
    rows = transitions(trajectory(action), axes)
    assert rows.observation.shape == rows.next_observation.shape == (30, 2)
    np.testing.assert_array_equal(rows.observation, np.arange(60.0).reshape(30, 2))
    np.testing.assert_array_equal(rows.next_observation, rows.observation + 1)
    np.testing.assert_array_equal(rows.action, np.asarray(action).reshape(30, *[4] * axes))
    np.testing.assert_array_equal(rows.reward, np.arange(30.0))
    ends = np.repeat([True, False, False, False, False, True], 5)  # all agents of an environment
    np.testing.assert_array_equal(rows.terminated, ends)


def test_a_replay_made_from_a_blank_one_holds_them() -> None:
    action = jnp.arange(30, dtype=jnp.int32).reshape(SHAPE)
    replay = add(empty(blank(2, jnp.zeros((), jnp.int32)), 40), transitions(trajectory(action)))
    assert int(replay.filled) == 30
    assert replay.rows.action.dtype == jnp.int32
    drawn = draw(jax.random.key(0), replay, (4, 7))
    assert drawn.observation.shape == (4, 7, 2)
    np.testing.assert_array_equal(drawn.observation[..., 0], 2 * drawn.action)


def test_networks_see_scaled_observations_and_rewards_and_the_same_action() -> None:
    raw = transitions(trajectory(jnp.ones(SHAPE)))
    inputs = InputScaler.of(Box(0.0, 60.0, (2,)), True).merged(raw.observation)
    rewards = RewardScaler.of((2, 5), True).merged(
        jnp.arange(30.0).reshape(SHAPE), jnp.zeros(SHAPE, bool), 0.0
    )
    seen = normalised(raw, inputs, rewards)
    np.testing.assert_allclose(seen.observation.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(seen.observation.std(0), 1.0, rtol=1e-5)
    np.testing.assert_allclose(seen.reward, raw.reward / np.arange(30.0).std(), rtol=1e-5)
    np.testing.assert_array_equal(seen.next_observation, inputs(raw.next_observation))
    for name in ("action", "terminated"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(raw, name))
