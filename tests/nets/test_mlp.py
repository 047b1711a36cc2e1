"""Multilayer perceptrons: orthogonal weights, the forward pass, a pytree of arrays."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.nets.mlp import init_mlp, orthogonal


@pytest.mark.parametrize("size", [1, 5, 64])
def test_a_square_is_orthogonal(size):
    matrix = np.asarray(orthogonal(jax.random.key(1), size), np.float64)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(size), atol=1e-5)


@pytest.mark.parametrize("sizes", [(11, 64, 64, 9), (40, 16, 8, 3), (2, 4, 32, 6, 1)])
def test_every_layer_has_orthonormal_rows_or_columns_times_the_gain(sizes):
    net = init_mlp(jax.random.key(0), sizes, last_gain=0.5)
    for layer, weight in enumerate(net.weights):
        matrix = np.asarray(weight, np.float64)
        rows, columns = matrix.shape
        assert (rows, columns) == sizes[layer : layer + 2]
        gram = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
        gain = 0.5 if layer == len(sizes) - 2 else 2**0.5
        np.testing.assert_allclose(gram, gain**2 * np.eye(min(rows, columns)), atol=1e-5)


def test_biases_are_zero_and_leaves_are_arrays():
    net = init_mlp(jax.random.key(0), (11, 16, 9))
    assert all(np.all(np.asarray(bias) == 0) for bias in net.biases)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(net))


def test_the_forward_pass_is_numpys():
    net = init_mlp(jax.random.key(0), (3, 8, 2), activation="relu")
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    hidden = np.maximum(x @ np.asarray(net.weights[0]), 0.0)
    np.testing.assert_allclose(net(jnp.asarray(x)), hidden @ np.asarray(net.weights[1]), atol=1e-5)


def test_another_key_gives_other_weights():
    nets = [init_mlp(jax.random.key(seed), (4, 4, 2)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(nets[0].weights[0], nets[1].weights[0])
    assert not np.array_equal(nets[0].weights[0], nets[2].weights[0])
