"""The ring against a deque, and batches with agents."""

from __future__ import annotations

from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.rules import batches
from edgewright.rules.replay import add, draw, empty

EXAMPLE = {"number": jnp.zeros((), jnp.int32), "pair": jnp.zeros(2)}


def block(first: int, count: int) -> dict[str, jax.Array]:
    numbers = jnp.arange(first, first + count, dtype=jnp.int32)
    return {"number": numbers, "pair": jnp.stack([numbers, -numbers], -1).astype(jnp.float32)}


@pytest.mark.parametrize(("size", "count"), [(10, 4), (10, 5), (7, 7), (9, 2)])
def test_the_ring_holds_what_a_deque_holds(size, count):
    slow: deque[int] = deque(maxlen=size)
    ring = empty(EXAMPLE, size)
    grow = jax.jit(add)
    for first in range(0, 6 * count, count):
        ring = grow(ring, block(first, count))
        slow.extend(range(first, first + count))
        held = np.asarray(ring.rows["number"])[: int(ring.filled)]
        assert sorted(held.tolist()) == sorted(slow)
        pairs = np.asarray(ring.rows["pair"])[: int(ring.filled)]
        np.testing.assert_array_equal(pairs, np.stack([held, -held], -1))
    assert int(ring.head) == 6 * count % size


def test_only_filled_rows_are_drawn_and_all_of_them_equally():
    ring = add(empty(EXAMPLE, 100), block(1, 8))
    drawn = np.asarray(draw(jax.random.key(0), ring, (50, 80))["number"])
    assert drawn.shape == (50, 80)
    counts = np.bincount(drawn.ravel(), minlength=9)
    assert counts[0] == 0
    # 4000 draws of 8: a standard error of 21 around 500, so this is 5 of them.
    assert np.all(np.abs(counts[1:] - 500) < 105)


def test_a_block_larger_than_the_ring_is_refused():
    with pytest.raises(InputError, match="do not fit"):
        add(empty(EXAMPLE, 3), block(0, 4))


def test_flags_reach_every_agent_and_samples_keep_their_order():
    flags = jnp.array([[True, False], [False, True], [False, False]])
    reward = jnp.arange(18.0).reshape(3, 2, 3)
    wide = batches.over_agents(flags, reward)
    assert wide.shape == (3, 2, 3)
    np.testing.assert_array_equal(wide[..., 0], flags)
    np.testing.assert_array_equal(wide[..., 2], flags)
    np.testing.assert_array_equal(batches.over_agents(flags, reward[..., 0]), flags)
    np.testing.assert_array_equal(batches.samples(reward), np.arange(18))
    assert batches.samples(jnp.zeros((3, 2, 3, 5)), 1).shape == (18, 5)
