"""Encodings for the wire against what they promise, and hooks of gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.rules import exchange
from edgewright.rules.gradient_hooks import Averaged, Proximal, hooked

VECTOR = jnp.asarray(np.random.default_rng(0).normal(size=40), jnp.float32)


def test_eight_bits_are_unbiased() -> None:
    """The mean of many roundings is the vector, within five standard errors."""
    draws = 4000
    keys = jax.random.split(jax.random.key(0), draws)
    sent = np.asarray(jax.vmap(lambda key: exchange.rounded(key, VECTOR))(keys))
    step = float(jnp.max(jnp.abs(VECTOR))) / exchange.LEVELS
    assert np.max(np.abs(sent - VECTOR)) <= step * 1.001
    error = np.abs(sent.mean(axis=0) - VECTOR)
    assert np.all(error <= 5 * 0.5 * step / np.sqrt(draws))
    nearest = np.asarray(jnp.round(VECTOR / step) * step)
    assert np.max(np.abs(nearest - VECTOR)) > 5 * 0.5 * step / np.sqrt(draws)  # that is biased


def test_eight_bits_hold_the_ends_and_nothing() -> None:
    sent = exchange.rounded(jax.random.key(1), VECTOR)
    largest = int(jnp.argmax(jnp.abs(VECTOR)))
    assert float(sent[largest]) == pytest.approx(float(VECTOR[largest]), rel=1e-5)
    assert not np.any(exchange.rounded(jax.random.key(1), jnp.zeros(5)))
    assert len(np.unique(np.round(np.asarray(sent) / float(jnp.max(jnp.abs(sent))) * 127))) <= 255


def test_what_top_k_leaves_out_arrives_later() -> None:
    """The sum of all that was sent and the memory is the sum of all vectors."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(25, 40)).astype(np.float32)
    memory, arrived = exchange.init_memory(40, "top-k"), np.zeros(40)
    for vector in vectors:
        sent, memory = exchange.transmitted(
            jax.random.key(0), jnp.asarray(vector), memory, "top-k", 10
        )
        assert np.count_nonzero(sent) == 4
        arrived += np.asarray(sent)
    np.testing.assert_allclose(arrived + memory, vectors.sum(axis=0), atol=1e-4)
    assert np.count_nonzero(arrived) > 20  # every entry has its turn


def test_top_k_sends_the_largest_entries() -> None:
    sent, _ = exchange.transmitted(
        jax.random.key(0), VECTOR, exchange.init_memory(40, "top-k"), "top-k", 20
    )
    order = np.argsort(-np.abs(VECTOR))[:8]
    np.testing.assert_array_equal(np.sort(np.flatnonzero(sent)), np.sort(order))


def test_half_precision_saturates_instead_of_infinity() -> None:
    vector = jnp.asarray([1e6, -1e6, 1.0])
    sent, _ = exchange.transmitted(jax.random.key(0), vector, jnp.zeros(0), "float16", 10)
    np.testing.assert_array_equal(sent, [65504.0, -65504.0, 1.0])


@pytest.mark.parametrize(
    ("encoding", "count"), [("float32", 400), ("float16", 200), ("int8", 104), ("top-k", 80)]
)
def test_bytes_of_a_vector(encoding: exchange.Encoding, count: int) -> None:
    assert exchange.wire_bytes(100, encoding, 10) == count
    assert exchange.wire_bytes(3, "top-k", 1) == 8  # one entry at least


def test_a_vector_is_shortened_to_a_norm_and_never_lengthened() -> None:
    length = float(jnp.linalg.norm(VECTOR))
    assert float(jnp.linalg.norm(exchange.shortened(VECTOR, 0.5))) == pytest.approx(0.5, rel=1e-5)
    np.testing.assert_allclose(exchange.shortened(VECTOR, 2 * length), VECTOR)
    np.testing.assert_allclose(exchange.shortened(VECTOR, 0.0), VECTOR)


def test_noise_has_the_deviation_of_the_mechanism() -> None:
    """``multiplier norm / clients``, within 3 %, and none without a norm."""
    zeros = jnp.zeros((4, 20_000))
    noisy = exchange.private_mean(jax.random.key(0), zeros, 2.0, 1.5)
    assert float(jnp.std(noisy)) == pytest.approx(1.5 * 2.0 / 4, rel=0.03)
    assert not np.any(exchange.private_mean(jax.random.key(0), zeros, 0.0, 1.5))


def test_the_proximal_hook_is_the_gradient_of_the_proximal_loss() -> None:
    anchor = jnp.zeros(40)

    def loss(w: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(w))

    gradient, _ = Proximal(anchor=anchor, strength=0.3)(jax.grad(loss)(VECTOR), VECTOR, ())
    full = jax.grad(lambda w: loss(w) + 0.15 * jnp.sum((w - anchor) ** 2))(VECTOR)
    np.testing.assert_allclose(gradient, full, rtol=1e-6)


def test_averaged_gradients_are_means_over_devices() -> None:
    gradients = jnp.stack([VECTOR, 3.0 * VECTOR, -VECTOR])

    def one(gradient: jax.Array) -> jax.Array:
        hook = Averaged(key=jax.random.key(0), axis="devices")
        return hook(gradient, VECTOR, hook.init_memory(40))[0]

    sent = jax.vmap(one, axis_name="devices")(gradients)
    np.testing.assert_allclose(sent, jnp.tile(VECTOR, (3, 1)), rtol=1e-6)


def test_without_a_hook_nothing_changes() -> None:
    assert hooked(None, VECTOR, VECTOR, ()) == (VECTOR, ())
