"""A running service shows in its metrics that inputs or rewards have changed."""

import numpy as np
import pytest
from scipy import stats

from edgewright.serve.counters import Counters
from edgewright.serve.drift_watch import DriftWatch, kolmogorov

WINDOW = 300


def decide(watch, rng, count, shift=0.0, policy="v1", mode=0.5):
    for _ in range(count):
        observed = {"rate_mbps": rng.normal() + shift, "mode": "a" if rng.random() < mode else "b"}
        observed |= {f"input_user_{n}_mbit": rng.random() for n in (1, 2)}
        watch.decided(policy, observed)
        watch.reported(policy, rng.normal() - shift)


def test_a_change_shows_and_a_new_policy_begins_anew():
    rng, watch = np.random.default_rng(0), DriftWatch(WINDOW)
    decide(watch, rng, 2 * WINDOW)
    look = watch.look()
    assert set(look.fields) == {"rate_mbps", "mode", "input_user_mbit"}
    assert not look.alarm and watch.alarms == 0 and watch.looks == 1
    decide(watch, rng, WINDOW - 1, shift=2.0)
    assert watch.look() is look
    decide(watch, rng, 1, shift=2.0)
    look = watch.look()
    assert look.alarm and look.fields["rate_mbps"][1] < 1e-6 and look.reward > 1
    assert look.fields["input_user_mbit"][1] > 0.01
    decide(watch, rng, WINDOW, mode=0.05)
    assert watch.look().fields["mode"][1] < 1e-3
    assert (watch.decisions, watch.looks, watch.alarms) == (4 * WINDOW, 3, 2)
    decide(watch, rng, 2 * WINDOW, shift=2.0, policy="v2")
    assert not watch.look().alarm


def test_rewards_of_another_policy_are_left_out():
    watch = DriftWatch(2)
    watch.reported("v1", 1.0)  # before any decision
    for policy in ("v1", "v2"):
        watch.decided(policy, {"a": 1.0})
        watch.reported("v1", 2.0)
        watch.reported("v2", 3.0)
        assert watch._rewards == [2.0 if policy == "v1" else 3.0]


def test_false_alarms_are_as_rare_as_stated():
    rng, alarms, trials = np.random.default_rng(1), 0, 150
    for _ in range(trials):
        watch = DriftWatch(60, rate=0.05)
        decide(watch, rng, 120)
        alarms += watch.look().alarm
    assert alarms <= stats.binom.ppf(0.999, trials, 0.05)


def test_the_p_value_is_kolmogorovs():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=400), rng.normal(0.1, size=300)
    known = stats.ks_2samp(first, second, method="asymp")
    statistic, p = kolmogorov(first, second)
    assert statistic == pytest.approx(known.statistic) and p == pytest.approx(
        known.pvalue, abs=0.03
    )
    assert kolmogorov(first, first) == (0.0, 1.0)


def test_the_families_are_in_a_scrape():
    counters, rng = Counters(), np.random.default_rng(3)
    counters.watch = DriftWatch(WINDOW)
    facts = {"version": "v1", "name": "p"}
    assert b"edgewright_drift_alarm 0.0" in counters.text(facts, None)
    decide(counters.watch, rng, WINDOW)
    decide(counters.watch, rng, WINDOW, shift=3.0)
    counters.watch.look()
    text = counters.text(facts, None).decode()
    for line in (
        "edgewright_drift_alarm 1.0",
        f"edgewright_drift_decisions_total {2.0 * WINDOW}",
        "edgewright_drift_comparisons_total 1.0",
        "edgewright_drift_alarms_total 1.0",
        'edgewright_drift_p_value{field="rate_mbps"}',
        'edgewright_drift_statistic{field="mode"}',
        "edgewright_drift_reward_cusum",
    ):
        assert line in text
