"""Verdicts: the place of an interval in the region of a claim decides."""

import math

import pytest

from edgewright.studies.claim import Claim, Measured, judge_claim
from edgewright.studies.job import Plan
from edgewright.studies.table import Table

TABLE = Table({}, {}, Plan(quick=True, seeds=3, steps=1.0))


def verdict(low, high, region, estimate=None, why=""):
    middle = (low + high) / 2 if estimate is None else estimate
    found = Measured(middle, low, high, "a less b", 3, "s", why)
    return judge_claim(Claim("k", "5", "t", "p", "fair", lambda table: found, region), TABLE)


@pytest.mark.parametrize(
    ("low", "high", "region", "status", "words"),
    [
        (0.1, 0.3, (0, math.inf), "reproduced", "the whole interval lies above 0"),
        (-0.3, -0.1, (-math.inf, 0), "reproduced", "the whole interval lies below 0"),
        (22.5, 25.0, (22, 26), "reproduced", "the whole interval lies between 22 and 26"),
        (0.0, 0.0, (-math.inf, 0.1), "reproduced", "the value lies below 0.1"),
        (-0.3, -0.1, (0, math.inf), "not reproduced", "the whole interval lies below 0"),
        (27.0, 30.0, (22, 26), "not reproduced", "the whole interval lies above 26"),
        (-0.1, 0.3, (0, math.inf), "not reproduced", "reaches across 0: not shown"),
        (-0.3, 0.1, (0, math.inf), "not reproduced", "estimate speaks against it"),
        (20.0, 28.0, (22, 26), "not reproduced", "reaches across 22 and 26: not shown"),
        (math.nan, math.nan, (0, 1), "not comparable", "not finite"),
    ],
)
def test_where_an_interval_lies_decides(low, high, region, status, words):
    found = verdict(low, high, region, estimate=(low + high) / 2)
    assert found.status == status
    assert found.reason.startswith("a less b: ")
    assert words in found.reason


def test_a_measure_may_say_that_nothing_compares():
    found = verdict(1.0, 2.0, (0, math.inf), why="the zero is arbitrary")
    assert found.status == "not comparable"
    assert found.reason == "a less b: the zero is arbitrary"
    assert (found.measured, found.low, found.high, found.seeds) == (1.5, 1.0, 2.0, 3)
