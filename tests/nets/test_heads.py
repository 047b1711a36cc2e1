"""Heads: frequencies, probabilities and entropies against NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from edgewright.nets import heads

LOGITS = jnp.array([[0.0, 1.0, -2.0, 0.5], [3.0, 3.0, -30.0, 0.0]])
DRAWS = 40_000


def test_sampled_frequencies_are_the_softmax():
    drawn = heads.sample_categorical(
        jax.random.key(5), jnp.broadcast_to(LOGITS, (DRAWS, *LOGITS.shape))
    )
    assert drawn.dtype == jnp.int32
    expected = special.softmax(np.asarray(LOGITS, np.float64), axis=-1)
    for row in range(2):
        found = np.bincount(np.asarray(drawn)[:, row], minlength=4) / DRAWS
        error = np.sqrt(expected[row] * (1 - expected[row]) / DRAWS)
        assert np.all(np.abs(found - expected[row]) <= 4.5 * error + 1e-12)


def test_a_certain_choice_is_always_taken():
    for choice in range(3):
        logits = jnp.where(jnp.arange(3) == choice, 0.0, -jnp.inf)
        drawn = heads.sample_categorical(jax.random.key(0), jnp.broadcast_to(logits, (1000, 3)))
        assert np.all(np.asarray(drawn) == choice)


def test_log_probability_and_entropy_are_numpys():
    action = jnp.array([2, 0])
    logs = special.log_softmax(np.asarray(LOGITS, np.float64), axis=-1)
    np.testing.assert_allclose(
        heads.log_probability(LOGITS, action), logs[[0, 1], [2, 0]], rtol=1e-5
    )
    np.testing.assert_allclose(
        heads.categorical_entropy(LOGITS), -(np.exp(logs) * logs).sum(axis=-1), rtol=1e-5
    )
    np.testing.assert_allclose(heads.categorical_entropy(jnp.zeros(9)), np.log(9), rtol=1e-6)


def test_dueling_values_by_hand():
    found = heads.dueling_values(jnp.array([10.0]), jnp.array([1.0, 2.0, 6.0]))
    np.testing.assert_allclose(found, [8.0, 9.0, 13.0])
    assert float(jnp.mean(found)) == 10.0
