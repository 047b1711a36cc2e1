"""The piecewise linear encoding against hand-worked values, and what it lets a network do."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.nets.knots import KnotNetwork, init_critic, piecewise_linear
from edgewright.nets.mlp import MLP


def test_a_feature_is_how_far_it_is_through_each_interval() -> None:
    # Four intervals from -2 to 2.
    encoded = piecewise_linear(jnp.array([[-9.0, -1.25], [0.5, 9.0]]), 4)
    np.testing.assert_allclose(encoded[0], [0, 0, 0, 0, 0.75, 0, 0, 0])
    np.testing.assert_allclose(encoded[1], [1, 1, 0.5, 0, 1, 1, 1, 1])


def test_one_knot_is_the_plain_network() -> None:
    assert isinstance(init_critic(jax.random.key(0), 2, (8,)), MLP)
    critic = init_critic(jax.random.key(0), 2, (8,), 4)
    assert isinstance(critic, KnotNetwork)
    x = jnp.array([[0.5, -1.25]])
    entries = jnp.concatenate([x, piecewise_linear(x, 4) - 0.5], axis=-1)
    np.testing.assert_allclose(critic(x), critic.network(entries), rtol=1e-6)
    assert critic(x).shape == (1, 1)


def test_a_bend_is_a_linear_function_of_the_encoding() -> None:
    """What a battery is worth: steep below, flat above. No linear function of ``x`` is near."""
    x = np.linspace(-2.0, 2.0, 101)
    value = np.minimum(x, 0.0)
    inputs = {
        "features": np.stack([x, np.ones(101)], 1),
        "encoded": np.concatenate(
            [np.asarray(piecewise_linear(jnp.asarray(x)[:, None], 8)), np.ones((101, 1))], 1
        ),
    }
    errors = {
        name: np.abs(rows @ np.linalg.lstsq(rows, value, rcond=None)[0] - value).max()
        for name, rows in inputs.items()
    }
    assert errors["encoded"] < 1e-5 < 0.2 < errors["features"]
