"""The clipped surrogate by hand: its value, and where its gradient stops."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.rules.policy_gradient import (
    all_action_advantages,
    all_action_surrogate,
    clipped_share,
    clipped_surrogate,
)

RATIOS = jnp.array([0.5, 0.9, 1.0, 1.1, 1.5])


@pytest.mark.parametrize(
    ("advantage", "expected", "slope"),
    [
        (2.0, [1.0, 1.8, 2.0, 2.2, 2.4], [True, True, True, True, False]),
        (-2.0, [-1.6, -1.8, -2.0, -2.2, -3.0], [False, True, True, True, True]),
    ],
)
def test_surrogate_by_hand(advantage, expected, slope):
    old = jnp.full(5, -0.7)
    new = old + jnp.log(RATIOS)
    found = clipped_surrogate(new, old, jnp.full(5, advantage), 0.2)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    gradient = jax.grad(
        lambda log_p: jnp.sum(clipped_surrogate(log_p, old, jnp.full(5, advantage), 0.2))
    )(new)
    np.testing.assert_allclose(gradient, np.where(slope, RATIOS * advantage, 0.0), rtol=1e-5)


def test_an_infinite_clip_leaves_the_plain_policy_gradient():
    log_p, advantage = jnp.array([-1.0, -0.2]), jnp.array([3.0, -4.0])
    gradient = jax.grad(lambda p: jnp.sum(clipped_surrogate(p, log_p, advantage, 1e9)))(log_p)
    np.testing.assert_allclose(gradient, advantage)


def test_clipped_share_counts_the_ratios_outside():
    np.testing.assert_array_equal(
        clipped_share(jnp.log(RATIOS), jnp.zeros(5), 0.2), [1.0, 0.0, 0.0, 0.0, 1.0]
    )


def test_all_action_advantages_have_the_mean_zero_under_the_policy():
    values = jnp.array([[1.0, 3.0, -2.0], [4.0, 4.0, 4.0]])
    law = jnp.array([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]])
    found = all_action_advantages(values, law)
    np.testing.assert_allclose(found, [[0.25, 2.25, -2.75], [0.0, 0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(jnp.sum(law * found, axis=-1), 0.0, atol=1e-6)


@pytest.mark.parametrize("clip", [0.1, 1e9])
def test_the_all_action_surrogate_is_the_mean_over_sampled_actions(clip):
    random = np.random.default_rng(0)
    scores, old_scores, advantage = jnp.asarray(random.normal(size=(3, 5, 4)), jnp.float32)
    old = jax.nn.log_softmax(old_scores)

    def sampled(scores):
        new, law = jax.nn.log_softmax(scores), np.exp(np.asarray(old))
        each = [
            law[:, a] * clipped_surrogate(new[:, a], old[:, a], advantage[:, a], clip)
            for a in range(4)
        ]
        return jnp.sum(sum(each))

    def every(scores):
        return jnp.sum(all_action_surrogate(jax.nn.log_softmax(scores), old, advantage, clip))

    np.testing.assert_allclose(every(scores), sampled(scores), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(every)(scores), jax.grad(sampled)(scores), atol=1e-5)
    # Without a clip, at the old policy: the gradient of the expected value itself.
    exact = jax.grad(lambda s: jnp.sum(jax.nn.softmax(s) * advantage))(old_scores)
    if clip > 1:
        np.testing.assert_allclose(jax.grad(every)(old_scores), exact, atol=1e-5)
