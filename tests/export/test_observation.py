"""Bounds of exported fields: those of the quantity, never those of a sample."""

import numpy as np
import pytest

from edgewright.bundle.interface import Output
from edgewright.core.features import Feature
from edgewright.core.spaces import Box
from edgewright.export.heads import CategoricalHead
from edgewright.export.observation import interface_of

HEAD = CategoricalHead((Output("action", "what is done"),))
ROWS = np.array([[0.25, 2.0], [0.75, 9.0]], np.float32)


def ends(space, rows=ROWS):
    return [(f.low, f.high, f.trained) for f in interface_of(space, HEAD, rows).fields]


def test_bounds_are_the_domain_else_those_that_the_world_gives_else_none():
    table = (
        Feature("charge_pct", "%", low=-np.inf, high=100.0, domain=(0.0, 100.0)),
        Feature("gain_db", "dB"),
    )
    met = [(0.25, 0.75), (2.0, 9.0)]
    assert ends(Box.of(table)) == [(0.0, 100.0, met[0]), (None, None, met[1])]


def test_a_world_without_a_table_has_the_bounds_of_its_space():
    space = Box((0.0, -np.inf), (0.3, 5.0), (2,))
    (low, high, _), (least, most, _) = ends(space)
    assert (low, least, most) == (0.0, None, 5.0)
    assert np.float32(high) == np.float32(0.3)
    assert np.float32(0.3) <= high  # what the world observes is within


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0.0, np.inf, "a number of at least 0 W"), (-np.inf, 3.0, "a number of at most 3 W"),
     (-np.inf, np.inf, "a number in W"), (0.0, 3.0, "a number from 0 to 3 W")],
)  # fmt: skip
def test_what_is_allowed_is_said_with_the_ends_that_there_are(low, high, text):
    space = Box.of((Feature("power_w", "W", low=low, high=high),))
    assert interface_of(space, HEAD, ROWS[:, :1]).fields[0].allowed == text
