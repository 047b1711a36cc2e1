"""Spaces: what they draw they contain, and they refuse the rest."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex

SPACES = [
    Discrete(2),
    Discrete(9, (3,)),
    Box(-1.0, 2.0, (2, 3)),
    Box(-jnp.inf, jnp.inf, (4,), ("a", "b", "c", "d")),
    Bits((5,)),
    Simplex((3,)),
    Simplex((2, 4), at_most=True),
    Record((("cache", Bits((4,))), ("share", Simplex((3,), at_most=True)), ("to", Discrete(2)))),
]


@pytest.mark.parametrize("space", SPACES)
@given(seed=st.integers(0, 2**31))
def test_a_space_contains_what_it_draws(space, seed):
    assert space.contains(space.sample(jax.random.key(seed)))


def test_discrete_draws_every_choice_and_refuses_the_rest():
    space = Discrete(3, (2,))
    drawn = jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 200))
    assert drawn.dtype == jnp.int32
    assert set(np.unique(drawn)) == {0, 1, 2}
    for wrong in ([0, 3], [-1, 0], [0.0, 1.0], [0, 1, 2], 1):
        assert not space.contains(wrong)


def test_box_refuses_what_is_outside_or_not_a_number():
    space = Box(0.0, 1.0, (2,))
    assert space.contains([0.0, 1.0])
    for wrong in ([0.0, 1.1], [-0.1, 0.5], [np.nan, 0.5], [0.5], [[0.5, 0.5]]):
        assert not space.contains(wrong)
    assert not Box(-np.inf, np.inf, (1,)).contains([np.inf])


def test_spaces_are_structure():
    assert len({Discrete(2), Discrete(2), Discrete(3), Box(0, 1, (2,)), Box(0, 1, (2,))}) == 3


def test_bits_are_zeros_and_ones():
    drawn = jax.vmap(Bits((3,)).sample)(jax.random.split(jax.random.key(0), 200))
    assert drawn.dtype == jnp.int32 and 0.4 < float(drawn.mean()) < 0.6
    for wrong in ([0, 2, 1], [0, -1, 1], [0.0, 1.0, 1.0], [0, 1]):
        assert not Bits((3,)).contains(wrong)


def test_shares_sum_to_one_or_to_at_most_one():
    exact, loose = Simplex((3,)), Simplex((3,), at_most=True)
    assert exact.contains([0.2, 0.3, 0.5]) and not exact.contains([0.2, 0.3, 0.4])
    assert loose.contains([0.2, 0.3, 0.4]) and loose.contains([0.0, 0.0, 0.0])
    for wrong in ([0.5, 0.5, 0.1], [-0.1, 0.6, 0.5], [np.nan, 0.5, 0.5], [0.5, 0.5]):
        assert not exact.contains(wrong) and not loose.contains(wrong)
    totals = jax.vmap(loose.sample)(jax.random.split(jax.random.key(0), 500)).sum(axis=-1)
    assert float(totals.mean()) == pytest.approx(3 / 4, abs=0.02)  # a flat Dirichlet law of four


def test_a_record_needs_just_its_parts():
    space = Record((("cache", Bits((2,))), ("share", Simplex((2,)))))
    assert space.contains({"cache": [0, 1], "share": [0.5, 0.5]})
    for wrong in ({"cache": [0, 1]}, {"cache": [0, 1], "share": [0.9, 0.5]}, [0, 1]):
        assert not space.contains(wrong)
    assert not space.contains({"cache": [0, 1], "share": [0.5, 0.5], "more": 1})
