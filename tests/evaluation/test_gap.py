"""The share of the gap between the baseline and the bound, from numbers worked by hand."""

import numpy as np
import pytest

from edgewright.evaluation.gap import gap_closed, percent, sentence

BASE, BOUND = np.array([0.0, 0.2, 0.1, 0.1]), np.array([1.0, 1.2, 1.1, 1.1])


def test_the_baseline_closes_nothing_and_the_bound_everything():
    assert gap_closed(BASE[None], BASE, BOUND) == {"share": 0.0, "low": 0.0, "high": 0.0}
    assert gap_closed(BOUND[None], BASE, BOUND) == pytest.approx(dict.fromkeys(SHARE, 1.0))
    assert gap_closed((BASE + 0.25)[None], BASE, BOUND)["share"] == pytest.approx(0.25)


SHARE = ("share", "low", "high")


def test_it_separates_what_the_score_does_not():
    # numbers of aigc-heavy, where a random policy earns -3.15
    random, greedy, learned, bound = -3.15, 0.990, 1.005, 1.024
    assert (greedy - random) / (learned - random) > 0.99  # a gate on the score lets it pass
    share = gap_closed(np.full((1, 4), learned), np.full(4, greedy), np.full(4, bound))
    assert share["share"] == pytest.approx(15 / 34)


def test_there_is_none_where_the_baseline_reaches_the_bound():
    assert gap_closed(BASE[None], BASE, BASE) is None


def test_in_words():
    share = {"share": 0.371, "low": 0.30, "high": 0.441}
    assert percent(share) == "37 [30, 44]"
    assert percent({"share": -0.001, "low": -0.002, "high": 0.0}) == "0 [0, 0]"
    assert percent({"share": -120.0, "low": -130.0, "high": -110.0}) == "-12000"
    assert percent(None) is None
    change = {"mean": 0.01, "low": -0.002, "high": 0.02}
    assert "between greedy (0) and the bound (100) closed: 37 [30, 44] %" in sentence(
        {"gap_closed": share}, "greedy"
    )
    assert "+0.0100 [-0.0020, +0.0200] per slot" in sentence({"difference": change}, "greedy")
    assert "is the baseline" in sentence({"difference": None}, "greedy")
