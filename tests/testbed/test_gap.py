"""The five figures on outcomes that were made up, so that their values are known."""

import numpy as np
import pytest

from edgewright.testbed.blocks import (
    BETWEEN,
    DISCRETE,
    RUNGS,
    SIZES,
    SLOTS,
    TESTBED,
    VIRTUAL,
    WORLD,
    Series,
    clusters,
    series,
)
from edgewright.testbed.gap import (
    Bootstrap,
    causes,
    difference,
    distances,
    outcomes_of,
    ranks,
    regret,
)
from edgewright.testbed.objective import DONE, REFUSED, Arrival, Objective, Outcome


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Draw less often than for intervals that anyone reads."""
    monkeypatch.setattr("edgewright.testbed.gap.DRAWS", 100)


ROUNDS = [[Arrival(n, 0.1 * n, "4", (64, 64), "best", n) for n in range(40)] for _ in range(2)]
OBJECTIVE = Objective([0.5, 1.0], {"best": [0.6, 0.2, 0.2]}, 10.0, 10.0, -1.0, slo_s=2.0)


def made(delay_s, reward=0.0):
    delay = np.broadcast_to(np.asarray(delay_s, float), 80)
    late = delay > 2.0
    reward = np.broadcast_to(np.asarray(reward, float), 80)
    return Series(delay, reward, np.where(late, 0.0, 1.0), late)


def test_series_score_what_was_answered_and_what_was_not():
    block = [Outcome(n, DONE, 0, 1, 1.0 if n % 2 else 3.0, energy_j=5.0) for n in range(39)]
    block.append(Outcome(39, REFUSED))
    one = series(ROUNDS[:1], [block], OBJECTIVE)
    assert one.reward[1] == pytest.approx(0.6 - 0.02 - 0.1)
    assert one.reward[0] == pytest.approx(0.6 - 0.06 - 0.1)
    assert one.reward[39] == -1.0
    assert np.isnan(one.delay_s[39])
    assert one.late.tolist() == [n % 2 == 0 for n in range(39)] + [True]
    facts = outcomes_of(Bootstrap(ROUNDS[:1]), one)
    assert facts["violations"]["value"] == pytest.approx(21 / 40)
    assert facts["quality_in_time"]["value"] == 1.0
    assert facts["answered"] == 39 / 40


def test_segments_cover_every_request_once():
    parts = clusters(ROUNDS)
    assert len(parts) == 8
    assert sorted(np.concatenate(parts).tolist()) == list(range(80))


def test_delays_that_are_shifted_are_that_far_apart():
    real = np.linspace(1.0, 2.0, 80)
    facts = distances(Bootstrap(ROUNDS), made(real + 0.3), made(real))
    assert facts["wasserstein_s"]["value"] == pytest.approx(0.3)
    assert facts["relative"]["value"] == pytest.approx(0.2)
    assert facts["p50"]["value"] == pytest.approx(1.2)
    assert facts["ks"]["value"] == pytest.approx(0.3, abs=0.02)
    assert facts["wasserstein_s"]["low"] <= 0.3 <= facts["wasserstein_s"]["high"] + 1e-9
    same = distances(Bootstrap(ROUNDS), made(real), made(real))
    assert same["relative"]["value"] == same["ks"]["value"] == 0.0
    assert distances(Bootstrap(ROUNDS), made(np.nan), made(real))["relative"] is None


def ladder(world, real):
    names = [f"p{n}" for n in range(len(real))]
    noise = 0.01 * np.sin(np.arange(80))
    rungs = dict.fromkeys((SLOTS, SIZES, BETWEEN, WORLD, DISCRETE), world)
    rungs |= dict.fromkeys((VIRTUAL, TESTBED), real)
    made_of = {
        rung: {
            name: made(1.0 + value, value + noise) for name, value in zip(names, row, strict=True)
        }
        for rung, row in rungs.items()
    }
    return made_of, names


def test_ranks_that_agree_and_that_do_not():
    same, names = ladder([0.1, 0.2, 0.3, 0.4], [0.0, 0.3, 0.5, 0.9])
    facts = ranks(Bootstrap(ROUNDS), same, names)
    assert facts["tau"]["value"] == pytest.approx(1.0)
    assert facts["same_best"] == 1.0
    other, names = ladder([0.1, 0.2, 0.4, 0.3], [0.0, 0.3, 0.5, 0.9])
    facts = ranks(Bootstrap(ROUNDS), other, names)
    assert facts["tau"]["value"] == pytest.approx(4 / 6)  # one of six pairs is swapped
    assert (facts["simulated_best"], facts["real_best"]) == ("p2", "p3")
    assert facts["same_best"] == 0.0
    assert facts["pairs"] == {"all": 6, "settled": 6, "alike": 5}
    assert facts["ranks"]["p3"][TESTBED] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert facts["ranks"]["p3"][WORLD]["value"] == 2.0


def test_regret_is_what_the_wrong_choice_costs():
    other, names = ladder([0.1, 0.2, 0.4, 0.3], [0.0, 0.3, 0.5, 0.9])
    facts = regret(Bootstrap(ROUNDS), other, names)
    assert facts["value"] == pytest.approx(0.4)
    assert (facts["chosen"], facts["best"]) == ("p2", "p3")
    assert facts["paired"]["low"] > 0.0
    assert not facts["right"]
    assert facts["not_worse"] == ["p3"]
    same, names = ladder([0.1, 0.2], [0.0, 0.3])
    facts = regret(Bootstrap(ROUNDS), same, names)
    assert facts["value"] == 0.0
    assert facts["right"]


def test_twins_differ_by_nothing_and_by_noise():
    rng, base = np.random.default_rng(0), made(1.0)
    noisy = made(1.0 + 0.1 * rng.standard_normal(80), 0.1 * rng.standard_normal(80))
    assert difference(Bootstrap(ROUNDS), base, noisy)["holds_zero"]
    better = made(0.5, 0.3 + 0.01 * rng.standard_normal(80))
    facts = difference(Bootstrap(ROUNDS), better, base)
    assert not facts["holds_zero"]
    assert facts["delay_s"]["value"] == pytest.approx(-0.5)


def test_the_ladder_ends_at_the_testbed():
    made_of, names = ladder([0.2, 0.4], [0.1, 0.2])
    rows = causes(Bootstrap(ROUNDS), made_of, names)
    assert [one["rung"] for one in rows] == [*RUNGS]
    # delays of 1.2 and 1.4 s against 1.1 and 1.2 s
    assert rows[0]["value"] == pytest.approx(0.5 * (0.1 / 1.1 + 0.2 / 1.2))
    assert rows[0]["change"] is None
    assert all(row["change"]["value"] == 0.0 for row in rows[1:5])
    assert rows[5]["value"] == rows[6]["value"] == 0.0
    assert rows[5]["change"]["value"] == pytest.approx(-rows[0]["value"])
    assert rows[5]["change"]["high"] < 0.0
