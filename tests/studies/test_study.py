"""Verdicts fall where they should; what was asked decides what is done again."""

import csv
import math

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.studies.study import (
    Claim,
    FunctionJob,
    JobResult,
    Measured,
    Plan,
    Table,
    fingerprints,
    judge_claim,
)

PLAN = Plan(quick=True, seeds=3, steps=1.0)
TABLE = Table({}, {}, PLAN)


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


def nothing(desk):
    return JobResult({})


def job(key, needs=(), **arguments):
    return FunctionJob(key, nothing, arguments, needs)


def test_the_hash_follows_what_is_asked_and_needed():
    plain = fingerprints([job("a", n=1), job("b", ("a",))], None)
    assert plain == fingerprints([job("b", ("a",)), job("a", n=1)], None)
    other = fingerprints([job("a", n=2), job("b", ("a",))], None)
    assert plain["a"] != other["a"]
    assert plain["b"] != other["b"]  # what it needs is another


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([job("a"), job("a")], "two jobs have the key 'a'"),
        ([job("arm-a"), job("b", ("arm-b",))], "did you mean 'arm-a'"),
        ([job("a", ("b",)), job("b", ("a",))], "needs itself"),
    ],
)
def test_jobs_that_cannot_be_ordered_are_refused(jobs, words):
    with pytest.raises(InputError, match=words):
        fingerprints(jobs, None)


def test_the_table_is_tidy(tmp_path):
    arrays = {"episodes/x": np.array([[1.0, 2.0], [3.0, 4.0]]), "episodes/y": np.ones((2, 2))}
    found = {
        "a": JobResult(arrays, {"labels": {"policy": "p"}}),
        "b": JobResult({"other/z": np.ones(3)}),
    }
    table = Table(found, {"episodes": ("seed", "episode"), "other": ("n",)}, PLAN)
    table.write_csv(tmp_path / "t.csv", "episodes")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert len(rows) == 4
    assert rows[2] == {
        "arm": "a", "policy": "p", "seed": "1", "episode": "0", "x": "3", "y": "1"
    }  # fmt: skip
    with pytest.raises(InputError, match="no result 'aa'"):
        table["aa"]
    with pytest.raises(InputError, match="episodes/x"):
        table.array("a", "episodes/xx")
