"""Processes of shares and Markov matrices: the laws of a stream, and moments by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.records import record
from edgewright.streams import markets
from edgewright.streams.compose import Composite
from edgewright.testing.stream import check_stream

F = jnp.float32
PROCESSES = {
    "dirichlet": markets.Dirichlet(shape=(3,), concentration=4),
    "increasing": markets.Increasing(
        low=F(0.8), high=F(1.2), gap_low=F(0.5), gap_high=F(1.5), shape=(3,)
    ),
    "persistent": markets.PersistentTypes(low=F(0.0), high=F(0.9), shape=(3, 3), concentration=4),
    "shares": markets.ShareWalk(spread=F(0.7), step_std=F(0.1), shape=(3,)),
    "persistence": markets.PersistenceWalk(
        low=F(0.0), high=F(0.9), step_std=F(0.05), law=jnp.array([0.4, 0.35, 0.25]), shape=(3, 3)
    ),
}


@record
class Row:
    value: jax.Array


def rows(name: str, length: int, seed: int = 0) -> np.ndarray:
    stream = Composite(into=Row, fields={"value": PROCESSES[name]})
    _, taken = stream.next_rows(stream.init_carry(jax.random.key(seed)), length)
    return np.asarray(taken.value, np.float64)


@pytest.mark.parametrize("name", PROCESSES)
def test_they_keep_the_laws_of_a_stream(name) -> None:
    check_stream(Composite(into=Row, fields={"value": PROCESSES[name]}), key=jax.random.key(1))


@pytest.mark.parametrize("name", ["dirichlet", "persistent", "shares", "persistence"])
def test_shares_and_rows_sum_to_one_and_are_positive(name) -> None:
    values = rows(name, 2000)
    np.testing.assert_allclose(values.sum(axis=-1), 1.0, atol=1e-6)
    assert values.min() >= 0


def test_dirichlet_shares_have_the_moments_of_their_law() -> None:
    # Each share is Beta(4, 8): mean 1/3, variance (4 8) / (12^2 13).
    values = rows("dirichlet", 20_000)
    np.testing.assert_allclose(values.mean(axis=0), 1 / 3, atol=0.004)
    np.testing.assert_allclose(values.var(axis=0), 32 / (144 * 13), rtol=0.05)


def test_willingness_rises_by_gaps_within_their_range() -> None:
    values = rows("increasing", 5000)
    assert 0.8 <= values[:, 0].min() < 0.81
    assert 1.19 < values[:, 0].max() <= 1.2
    gaps = np.diff(values, axis=1)
    assert gaps.min() >= 0.5 - 1e-5
    assert gaps.max() <= 1.5 + 1e-5
    np.testing.assert_allclose(gaps.mean(axis=0), 1.0, atol=0.02)


@pytest.mark.parametrize("name", ["persistent", "persistence"])
def test_types_stay_with_the_drawn_persistence(name) -> None:
    values = rows(name, 4000)
    # Rows i and k differ only by the persistence, on the diagonal: P_ii - P_ki = rho.
    stay = values[:, 0, 0] - values[:, 1, 0]
    np.testing.assert_allclose(values[:, 1, 1] - values[:, 2, 1], stay, atol=1e-6)
    assert stay.min() >= 0
    assert stay.max() <= 0.9 + 1e-6
    if name == "persistent":
        np.testing.assert_allclose(stay.mean(), 0.45, atol=0.02)


def test_a_walk_moves_by_small_steps() -> None:
    values = rows("shares", 500)
    assert np.abs(np.diff(np.log(values), axis=0)).max() < 1.0
    assert values.std(axis=0).min() > 0.02
