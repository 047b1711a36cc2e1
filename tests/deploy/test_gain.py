"""The gate of a compression asks for the gain over the baseline, not for the score."""

import numpy as np
import pytest

from edgewright.deploy.gain import check_gain_kept, gains, judged, share_kept
from edgewright.evaluation.statistics import normalised_score_interval

RANDOM, GREEDY, PARENT = (np.full(8, value) for value in (-3.15, 0.990, 1.005))


def test_what_loses_all_that_was_learned_over_greedy_does_not_pass():
    small = GREEDY - 0.001  # worse than the rule that needs no training
    assert normalised_score_interval(small, RANDOM, PARENT).low > 0.98  # the old gate let it pass
    row = share_kept(small, GREEDY, PARENT).columns("gain_kept")
    assert row["gain_kept"] == pytest.approx(-1 / 15)
    assert not check_gain_kept([row], 0.5)["passed"]


def test_the_lower_end_decides_and_the_way_that_keeps_less():
    row = {"gain_kept": 0.9, "gain_kept_low": 0.8, "gain_kept_high": 1.0}
    assert check_gain_kept([row], 0.8)["passed"] and not check_gain_kept([row], 0.81)["passed"]
    both = row | {f"gain_kept_priced{end}": 0.5 for end in ("", "_low", "_high")}
    assert judged(both)["low"] == 0.5
    assert not check_gain_kept([both], 0.8)["passed"]


def test_a_parent_that_gains_nothing_has_nothing_to_keep():
    row = share_kept(GREEDY, PARENT, GREEDY).columns("gain_kept")
    assert np.isnan(row["gain_kept"]) and not gains([row])
    assert not check_gain_kept([row], 0.0)["passed"]
