"""The clipped surrogate by hand: its value, and where its gradient stops."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.rules.policy_gradient import clipped_share, clipped_surrogate

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
