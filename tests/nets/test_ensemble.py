"""Ensembles: members are independent networks, and their laws are learned."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

from edgewright.nets.ensemble import init_ensemble, negative_log_likelihood, normal_law


def test_members_are_networks_of_their_own() -> None:
    nets = init_ensemble(jax.random.key(0), 3, (4, 8, 8, 2))
    x = jax.random.normal(jax.random.key(1), (5, 4))
    output = nets(x)
    assert output.shape == (3, 5, 2)
    for member in range(3):
        y = x
        for weight, bias in zip(nets.weights, nets.biases, strict=True):
            z = y @ weight[member] + bias[member]
            y = z * jax.nn.sigmoid(z)
        np.testing.assert_allclose(output[member], z, rtol=1e-4, atol=1e-5)
    assert not np.allclose(output[0], output[1])
    own = jnp.stack([x, 2 * x, 3 * x])  # inputs of their own
    np.testing.assert_allclose(nets(own)[2], nets(3 * x)[2], rtol=1e-4, atol=1e-5)


def test_first_weights_have_the_spread_of_glorot() -> None:
    nets = init_ensemble(jax.random.key(0), 4, (60, 90, 30))
    np.testing.assert_allclose(jnp.std(nets.weights[0]), np.sqrt(2 / 150), rtol=0.03)
    np.testing.assert_allclose(jnp.std(nets.weights[1]), np.sqrt(2 / 120), rtol=0.03)
    assert float(jnp.max(jnp.abs(nets.weights[0]))) <= np.sqrt(6 / 150)  # uniform
    assert float(jnp.max(jnp.abs(nets.weights[1]))) > np.sqrt(6 / 120)  # normal


def test_variances_stay_between_their_bounds() -> None:
    output = jnp.array([[0.7, -1e4], [0.7, 0.0], [0.7, 1e4]])
    mean, variance = normal_law(output, np.exp(-5.0), np.exp(-1.0))
    np.testing.assert_allclose(mean[:, 0], 0.7)
    np.testing.assert_allclose(variance[:, 0], np.exp([-5.0, -3.0, -1.0]), rtol=1e-5)


def test_a_linear_gaussian_law_is_learned() -> None:
    """Mean ``x / 2`` and deviation ``0.1 + 0.2 |x|`` are recovered by every member."""

    def draw(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        x_key, noise_key = jax.random.split(key)
        x = jax.random.uniform(x_key, (3, 128, 1), minval=-1.0, maxval=1.0)
        noise = (0.1 + 0.2 * jnp.abs(x)) * jax.random.normal(noise_key, x.shape)
        return x, 0.5 * x + noise

    rule = optax.adam(3e-3)

    def step(carry, key):
        nets, memory = carry
        x, y = draw(key)

        def loss(nets):
            return 3.0 * jnp.mean(negative_log_likelihood(*normal_law(nets(x), 1e-4, 2.0), y))

        change, memory = rule.update(jax.grad(loss)(nets), memory)
        return (optax.apply_updates(nets, change), memory), None

    nets = init_ensemble(jax.random.key(0), 3, (1, 32, 2))
    start = (nets, rule.init(nets))
    keys = jax.random.split(jax.random.key(1), 1500)
    (nets, _), _ = jax.jit(lambda start: jax.lax.scan(step, start, keys))(start)
    x = jnp.linspace(-0.9, 0.9, 7)[:, None]
    mean, variance = normal_law(nets(x), 1e-4, 2.0)
    np.testing.assert_allclose(mean, jnp.broadcast_to(0.5 * x, mean.shape), atol=0.06)
    exact = jnp.broadcast_to(0.1 + 0.2 * jnp.abs(x), mean.shape)
    np.testing.assert_allclose(jnp.sqrt(variance), exact, atol=0.05)
