"""Quantiles of a return: where their loss is least, and what one of them is."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.rules.quantiles import quantile_loss, value_of


def test_the_least_loss_is_at_the_quantiles_of_the_samples() -> None:
    samples = 100.0 * jax.random.normal(jax.random.key(0), (2001,))  # far wider than the threshold

    def loss(quantiles: jax.Array) -> jax.Array:
        return quantile_loss(jnp.broadcast_to(quantiles, (len(samples), 4)), samples)

    wanted = np.quantile(samples, [0.125, 0.375, 0.625, 0.875])
    slope = jax.grad(loss)(jnp.asarray(wanted))
    np.testing.assert_allclose(slope, 0.0, atol=0.01)
    for index in range(4):
        for move in (-20.0, 20.0):
            assert loss(jnp.asarray(wanted).at[index].add(move)) > loss(jnp.asarray(wanted))


def test_one_quantile_is_the_squared_error_and_several_have_their_mean_as_value() -> None:
    values, target = jnp.asarray([[1.0], [2.0]]), jnp.asarray([3.0, 2.0])
    assert quantile_loss(values, target) == pytest.approx(2.0)
    np.testing.assert_array_equal(value_of(values), [1.0, 2.0])
    np.testing.assert_allclose(value_of(jnp.asarray([[1.0, 2.0, 6.0]])), [3.0])
