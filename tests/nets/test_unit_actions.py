"""Parts of an action from numbers between -1 and 1."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex
from edgewright.nets.actions import greedy_action
from edgewright.nets.unit_actions import from_unit, misfit_of, unit_box

PARTS = (("bits", Bits((2,))), ("server", Discrete(3, (2,))), ("share", Box(0.0, 4.0, (2,))))


def test_numbers_become_bits_choices_and_scaled_numbers() -> None:
    assert unit_box(PARTS).shape == (2 + 6 + 2,)
    numbers = jnp.array([0.2, -0.3, -1.0, 0.5, 0.1, 0.9, 0.0, -0.5, -1.0, 0.5])
    parts = from_unit(PARTS, numbers)
    np.testing.assert_array_equal(parts["bits"], [1, 0])
    np.testing.assert_array_equal(parts["server"], [1, 0])
    np.testing.assert_allclose(parts["share"], [0.0, 3.0])


def test_thresholds_of_equal_width_divide_the_range_of_a_choice() -> None:
    parts = (("server", Discrete(4, (5,))),)
    assert unit_box(parts, by_threshold=True).shape == (5,)
    chosen = from_unit(parts, jnp.array([-1.0, -0.51, -0.49, 0.0, 0.99]), by_threshold=True)
    np.testing.assert_array_equal(chosen["server"], [0, 0, 1, 2, 3])


def test_it_is_the_convention_of_actors_after_their_tanh() -> None:
    scores = jnp.linspace(-2.0, 2.0, 10)
    ours = from_unit(PARTS, jnp.tanh(scores))
    theirs = greedy_action(Record(PARTS), scores)
    for name, _ in PARTS:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6)


@pytest.mark.parametrize("part", [Simplex((3,)), Box(-jnp.inf, jnp.inf, (2,))])
def test_parts_without_bounds_or_of_shares_do_not_fit(part) -> None:
    assert "'odd' must be choices, bits" in misfit_of((*PARTS, ("odd", part)))
    assert misfit_of(PARTS) == ""
