"""Grids of panels: what stands in the cells, and that labels belong to all cells of a row."""

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.reporting.panels import Sweep, dot_grid, sweep_grid
from edgewright.reporting.plot_data import Row

RATES = {"a": 0.5, "b": 0.9}


def cell(scale, names=("a", "b")):
    return [Row(n, "learned", scale * RATES[n], 0.1, scale) for n in names]


def test_dots_of_a_row_stand_at_the_height_of_their_label():
    figure = dot_grid(["x"], ["u", "v"], {("x", "u"): cell(1.0), ("x", "v"): cell(2.0)})
    left, right = figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == ["a", "b"]
    heights = [line.get_ydata()[0] for line in right.lines if len(line.get_xdata()) == 1]
    assert heights == [0, 1]
    assert [line.get_xdata()[0] for line in right.lines[1::2]] == [1.0, 1.8]


def test_cells_of_a_row_with_other_labels_are_refused():
    cells = {("x", "u"): cell(1.0), ("x", "v"): cell(1.0, ("b",))}
    with pytest.raises(InputError, match="x: the cells of a row hold different labels"):
        dot_grid(["x"], ["u", "v"], cells)


def test_a_sweep_is_ticked_where_it_was_measured():
    sweeps = [Sweep("p", [1, 2, 4], [0.0, 1.0, 2.0], [-1.0, 0.0, 1.0], [1.0, 2.0, 3.0], False)]
    figure = sweep_grid(["x"], ["u"], {("x", "u"): sweeps}, xlabel="servers")
    np.testing.assert_array_equal(figure.axes[0].get_xticks(), [1, 2, 4])
