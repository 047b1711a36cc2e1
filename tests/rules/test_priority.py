"""Prioritised replay against loops, and rewards of several steps against sums by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.records import Trajectory
from edgewright.rules.priority import MIN_ERROR, draw_places, importance, priority_of, with_errors
from edgewright.rules.returns import n_step_returns
from edgewright.rules.transitions import n_step_transitions, transitions


def test_samples_are_drawn_in_proportion_and_empty_places_never():
    priority = jnp.array([0.0, 3.0, 1.0, 0.0, 4.0, 0.0, 0.0])
    places, chance = draw_places(jax.random.key(0), priority, (400, 100))
    counts = np.bincount(np.asarray(places).ravel(), minlength=7) / 40_000
    # The largest standard error of a share is 0.0025; the margin is five of them.
    np.testing.assert_allclose(counts, np.asarray(priority) / 8.0, atol=0.0125)
    assert set(np.flatnonzero(counts)) == {1, 2, 4}
    np.testing.assert_allclose(chance, np.asarray(priority)[np.asarray(places)] / 8.0)


def test_a_point_at_the_very_end_belongs_to_the_last_sample(monkeypatch):
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape: jnp.ones(shape))
    places, _ = draw_places(jax.random.key(0), jnp.array([1.0, 2.0, 0.0, 0.0]), (3,))
    assert places.tolist() == [1, 1, 1]


def test_weights_are_those_of_the_paper():
    chance, filled, beta = np.array([0.5, 0.125, 0.25]), 8.0, 0.4
    slow = [(filled * p) ** -beta for p in chance]
    np.testing.assert_allclose(
        importance(jnp.asarray(chance), jnp.float32(filled), beta), np.array(slow) / max(slow), 1e-6
    )
    np.testing.assert_allclose(importance(jnp.asarray(chance), jnp.float32(filled), 0.0), 1.0)


def test_with_all_of_the_weight_a_mean_is_that_of_uniform_draws():
    value = np.random.default_rng(0).exponential(size=50).astype(np.float32)
    priority = priority_of(jnp.asarray(value), 0.6)
    places, chance = draw_places(jax.random.key(1), priority, (200_000,))
    weight = np.asarray(importance(chance, jnp.float32(50), 1.0))
    drawn = value[np.asarray(places)]
    weighted = np.sum(weight * drawn) / np.sum(weight)
    assert weighted == pytest.approx(value.mean(), abs=0.02)
    assert np.mean(drawn) > value.mean() + 0.1  # without weights, large errors count too much


def test_new_errors_replace_old_priorities_and_the_largest_counts():
    before = np.array([0.5, 0.1, 0.9, 0.3], np.float32)
    places, error = np.array([2, 0, 2, 0]), np.array([0.2, -0.4, 0.6, 0.0], np.float32)
    slow = before.copy()
    for place in set(places.tolist()):
        slow[place] = max((abs(e) + MIN_ERROR) ** 0.6 for e in error[places == place])
    after = with_errors(jnp.asarray(before), jnp.asarray(places), jnp.asarray(error), 0.6)
    np.testing.assert_allclose(after, slow, rtol=1e-5)


def _reference(rewards, done, gamma, steps):
    total, last = np.zeros_like(rewards), np.zeros(rewards.shape, int)
    for index in np.ndindex(rewards.shape):
        t, rest = index[0], index[1:]
        for ahead in range(steps):
            total[index] += gamma**ahead * rewards[(t + ahead, *rest)]
            last[index] = t + ahead
            if done[(t + ahead, *rest)] or t + ahead + 1 == len(rewards):
                break
    return total, last


@pytest.mark.parametrize("steps", [1, 3, 9])
def test_rewards_of_several_steps_against_loops(steps):
    draw = np.random.default_rng(steps)
    rewards = draw.normal(size=(7, 5, 2)).astype(np.float32)
    done = draw.random((7, 5, 2)) < 0.2
    total, last = n_step_returns(jnp.asarray(rewards), jnp.asarray(done), 0.9, steps)
    slow = _reference(rewards, done, 0.9, steps)
    np.testing.assert_allclose(total, slow[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(last, slow[1])


def _trajectory():
    """Three steps of one copy and two agents; the second step is cut, not terminated."""
    time = jnp.arange(3.0).reshape(3, 1, 1, 1)
    observation = jnp.broadcast_to(time, (3, 1, 2, 1)) + jnp.array([[[[0.0], [10.0]]]])
    flag = jnp.zeros((3, 1), bool)
    return Trajectory(
        observation=observation,
        action=jnp.zeros((3, 1, 2), jnp.int32),
        aux=(),
        reward=jnp.array([[[1.0, 2.0]], [[4.0, 8.0]], [[16.0, 32.0]]]),
        terminated=flag.at[2].set(True),
        truncated=flag.at[1].set(True),
        next_observation=observation + 0.5,
        metrics={},
    )


def test_a_sample_of_several_steps_by_hand():
    part, span = n_step_transitions(_trajectory(), 0.5, 3)
    # The first step sums two: the second one ended the episode. [t, agent] in this order.
    assert part.reward.tolist() == [3.0, 6.0, 4.0, 8.0, 16.0, 32.0]
    assert span.tolist() == [2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    assert part.next_observation[:, 0].tolist() == [1.5, 11.5, 1.5, 11.5, 2.5, 12.5]
    assert part.terminated.tolist() == [False, False, False, False, True, True]
    assert part.observation[:, 0].tolist() == [0.0, 10.0, 1.0, 11.0, 2.0, 12.0]


def test_a_sample_of_one_step_is_a_transition():
    part, span = n_step_transitions(_trajectory(), 0.5, 1)
    jax.tree.map(np.testing.assert_array_equal, part, transitions(_trajectory()))
    assert span.tolist() == [1.0] * 6
