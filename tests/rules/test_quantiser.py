"""The quantisers against slow references, and the structure that makes them worth having."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.rules import quantiser

N = 6
order = jax.jit(jax.vmap(quantiser.order_preserving, in_axes=(0, None)), static_argnums=1)
nearest = jax.jit(jax.vmap(quantiser.nearest_neighbours, in_axes=(0, None)), static_argnums=1)
relaxed_rows = st.lists(
    st.lists(st.integers(1, 99), min_size=N, max_size=N), min_size=4, max_size=4
)


def slow_order(relaxed: np.ndarray, count: int) -> list[list[int]]:
    """DROO's algorithm 1, entry by entry."""
    found = [[int(m > 0.5) for m in relaxed]]
    ranked = sorted(
        range(len(relaxed)), key=lambda n: abs(np.float32(relaxed[n]) - np.float32(0.5))
    )
    for j in ranked[: count - 1]:
        pivot = relaxed[j]
        found.append([int(m > pivot if pivot > 0.5 else m >= pivot) for m in relaxed])
    return found


@pytest.mark.parametrize("count", [1, 4, N + 1])
@given(rows=relaxed_rows)
def test_it_is_the_algorithm_of_the_article(count, rows):
    relaxed = np.asarray(rows, np.float32) / 100
    found = np.asarray(order(relaxed, count))
    for ours, row in zip(found, relaxed, strict=True):
        assert ours.tolist() == slow_order(row, count)


@given(rows=relaxed_rows)
def test_order_is_kept_and_the_first_is_the_rounding(rows):
    relaxed = np.asarray(rows, np.float32) / 100
    found = np.asarray(order(relaxed, N + 1))
    np.testing.assert_array_equal(found[:, 0], relaxed > 0.5)
    above = relaxed[:, None, :, None] >= relaxed[:, None, None, :]
    assert np.all(~above | (found[:, :, :, None] >= found[:, :, None, :]))


def test_without_ties_all_candidates_are_the_prefixes_of_the_ranking():
    rng = np.random.default_rng(0)
    relaxed = rng.random((200, N)).astype(np.float32)
    found = np.asarray(order(relaxed, N + 1))
    rank = np.argsort(np.argsort(-relaxed, axis=1), axis=1)
    for ours, places in zip(found, rank, strict=True):
        prefixes = {tuple((places < k).astype(int)) for k in range(N + 1)}
        assert {tuple(row) for row in ours} == prefixes


def test_a_hand_worked_case():
    # 0.55 is nearest to one half, then 0.3, then 0.9: it flips down, 0.3 flips up.
    found = quantiser.order_preserving(jnp.array([0.9, 0.55, 0.3]), 3)
    assert np.asarray(found).tolist() == [[1, 1, 0], [1, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize("count", [1, 5, 17])
def test_the_nearest_are_the_nearest_of_all(count):
    rng = np.random.default_rng(1)
    relaxed = rng.random((50, N)).astype(np.float32)
    every = np.array(list(itertools.product([0, 1], repeat=N)))
    for ours, row in zip(np.asarray(nearest(relaxed, count)), relaxed, strict=True):
        distance = np.sum(np.square(every - row), axis=1)
        mine = np.sum(np.square(ours - row), axis=1)
        np.testing.assert_allclose(mine, np.sort(distance)[:count], atol=1e-5)
        assert len({tuple(one) for one in ours}) == count


def test_the_noisy_half_is_centred_on_the_relaxed_action():
    relaxed = jnp.full(4000, 0.5)
    found = np.asarray(quantiser.noisy_order_preserving(jax.random.key(0), relaxed, 4))
    assert found.shape == (4, 4000)
    np.testing.assert_array_equal(found[:2], quantiser.order_preserving(relaxed, 2))
    # 4000 fair bits: a standard error of 0.008, so this is 5 of them.
    assert abs(found[2].mean() - 0.5) < 0.04
    one = quantiser.noisy_order_preserving(jax.random.key(0), relaxed[:3], 1)
    np.testing.assert_array_equal(one, quantiser.order_preserving(relaxed[:3], 1))


def test_the_number_of_candidates_follows_the_winners():
    assert int(quantiser.adapted_count(jnp.int32(0), 10)) == 2
    assert int(quantiser.adapted_count(jnp.int32(5), 10)) == 7
    assert int(quantiser.adapted_count(jnp.int32(9), 10)) == 10
