"""The order of an epoch: every sample once, in another order for another key."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from edgewright.rules import minibatch
from edgewright.rules.minibatch import affine_order

SIZES = [1, 2, 3, 4, 7, 64, 100, 1000, 2048, 4093, 2**16, 2**16 + 1, 2 * 65537, 2**17, 200_000]


def order_of(seed, size):
    return affine_order(jax.random.bits(jax.random.key(seed), (2,)), size)


@pytest.mark.parametrize("size", [*SIZES, 1_000_003])
def test_every_sample_is_visited_once(size):
    orders = [np.asarray(order_of(seed, size)) for seed in range(4)]
    for order in orders:
        assert order.dtype == np.int32
        assert np.array_equal(np.sort(order), np.arange(size))
    if size > 4:
        assert len({order.tobytes() for order in orders}) > 1


def test_the_multipliers_are_prime():
    for prime in minibatch._PRIMES:
        assert all(prime % factor for factor in range(2, int(prime**0.5) + 1))


@pytest.mark.parametrize("size", [64, 100, 2048, 4096, 2**16, 2**17])
def test_neighbours_in_time_never_stay_neighbours(size):
    for seed in range(48):
        order = np.asarray(order_of(seed, size)).astype(int)
        step = (order[1] - order[0]) % size
        assert 1 < step < size - 1
