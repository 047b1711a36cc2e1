"""Spaces: what they draw they contain, and they refuse the rest."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.core.spaces import Box, Discrete

SPACES = [
    Discrete(2),
    Discrete(9, (3,)),
    Box(-1.0, 2.0, (2, 3)),
    Box(-jnp.inf, jnp.inf, (4,), ("a", "b", "c", "d")),
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
