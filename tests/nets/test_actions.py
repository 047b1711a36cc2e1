"""Units of a box: half the range around its middle."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex
from edgewright.nets.actions import (
    certain_scores,
    from_units,
    greedy_action,
    part_action,
    random_units,
    to_units,
    unit_bound,
)

BOX = Box((0.0, -2.0), (4.0, 6.0), (2,))
FREE = Box(-np.inf, np.inf, (2,))


def test_units_by_hand() -> None:
    numbers = from_units(BOX, jnp.array([[-1.0, 0.5], [0.0, 9.0]]))
    np.testing.assert_allclose(numbers, [[0.0, 4.0], [2.0, 6.0]])  # what is outside is cut
    np.testing.assert_allclose(to_units(BOX, numbers), [[-1.0, 0.5], [0.0, 1.0]])


@pytest.mark.parametrize("space", [BOX, FREE, Box(0.0, 3.0, ()), Box(-1.0, 2.0, (2, 3))])
def test_to_units_is_the_inverse(space: Box) -> None:
    numbers = space.sample(jax.random.key(0)) * jnp.ones((5, *[1] * len(space.shape)))
    units = to_units(space, numbers)
    assert units.shape == (5, int(np.prod(space.shape)))
    assert np.all(np.abs(units) <= unit_bound(space) + 1e-6)
    np.testing.assert_allclose(from_units(space, units), numbers, atol=1e-6)


def test_the_tanh_of_scores_in_units_is_the_action_of_the_scores() -> None:
    scores = jnp.array([[0.3, -2.0], [50.0, 0.0]])
    np.testing.assert_allclose(
        from_units(BOX, jnp.tanh(scores)), part_action(BOX, scores), atol=1e-6
    )
    np.testing.assert_array_equal(from_units(FREE, scores), scores)


def test_equal_bounds_have_the_unit_zero() -> None:
    space = Box((1.0, 0.0), (1.0, 2.0), (2,))
    np.testing.assert_allclose(to_units(space, jnp.array([1.0, 2.0])), [0.0, 1.0])
    np.testing.assert_allclose(from_units(space, jnp.array([0.7, 1.0])), [1.0, 2.0])


def test_random_units_fill_the_bounds_or_are_normal() -> None:
    inside = random_units(jax.random.key(0), BOX, (20_000, 2))
    assert float(inside.min()) < -0.99
    assert float(inside.max()) > 0.99
    assert float(jnp.abs(inside).max()) <= 1
    np.testing.assert_allclose(inside.mean(0), 0, atol=0.02)
    free = random_units(jax.random.key(0), FREE, (20_000, 2))
    np.testing.assert_allclose(free.std(0), 1, atol=0.03)


def test_half_infinite_boxes_have_no_units() -> None:
    with pytest.raises(InputError, match="finite everywhere, or nowhere"):
        to_units(Box(0.0, np.inf, (2,)), jnp.zeros(2))


def test_certain_scores_decide_the_action_that_they_are_of() -> None:
    space = Record(
        (
            ("bit", Bits((3,))),
            ("share", Simplex((2,), at_most=True)),
            ("power", Box((0.0, -1.0), (0.5, 2.0), (2,))),
            ("free", Box(-np.inf, np.inf, ())),
            ("place", Discrete(4, (2,))),
        )
    )
    actions = jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 20))
    again = greedy_action(space, certain_scores(space, actions))
    for name, _ in space.parts:
        np.testing.assert_allclose(again[name], actions[name], atol=1e-5)
    lone = Discrete(3)
    assert int(greedy_action(lone, certain_scores(lone, jnp.asarray(2)))) == 2
