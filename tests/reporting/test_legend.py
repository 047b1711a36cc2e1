"""A legend of long names stays inside its figure."""

import numpy as np
import pytest

from edgewright.reporting.figures import Curve, learning_curve


@pytest.mark.parametrize("length", [4, 22, 40])
def test_the_names_of_curves_fit_into_the_figure(length):
    steps = [0, 1, 2]
    curves = [Curve(f"{n}" * length, steps, np.ones((2, 3)) * n) for n in range(4)]
    figure = learning_curve(curves, ylabel="reward per slot")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
