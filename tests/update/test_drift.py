"""Drift is found, and where nothing changes an alarm is as rare as stated."""

import numpy as np
import pytest
from scipy import signal

from edgewright.core.errors import InputError
from edgewright.update.drift import (
    autocorrelation_time,
    cusum_threshold,
    drift,
    holm,
    input_drift,
    reward_drift,
)

NAMES = ("bandwidth", "work", "backlog")


def series(rng, count, correlation, shift=0.0):
    """Return a stationary autoregressive series of deviation 1."""
    noise = rng.normal(size=count + 200) * np.sqrt(1 - correlation**2)
    return signal.lfilter([1.0], [1.0, -correlation], noise)[200:] + shift


def rows(rng, count, correlation=0.0, shift=0.0):
    columns = {name: series(rng, count, correlation, shift) for name in NAMES}
    modes = rng.choice(["preview", "best"], size=count)
    return [
        {**{name: float(values[n]) for name, values in columns.items()}, "mode": str(modes[n])}
        for n in range(count)
    ]


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_inputs_that_do_not_change_raise_alarms_as_rarely_as_stated(correlation):
    rng, trials, rate = np.random.default_rng(0), 250, 0.05
    alarms = sum(
        any(
            one.alarm
            for one in input_drift(rows(rng, 300, correlation), rows(rng, 300, correlation), rate)
        )
        for _ in range(trials)
    )
    assert alarms / trials <= rate + 3 * np.sqrt(rate * (1 - rate) / trials)
    if not correlation:
        assert alarms > 0


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_rewards_that_do_not_change_raise_alarms_as_rarely_as_stated(correlation):
    rng, trials, rate = np.random.default_rng(1), 300, 0.05
    alarms = 0
    for _ in range(trials):
        both = series(rng, 3200, correlation)
        alarms += reward_drift(both[:1600], both[1600:], rate).alarm
    assert 0.2 * rate < alarms / trials <= rate + 3 * np.sqrt(rate * (1 - rate) / trials)


def test_without_thinning_alike_neighbours_would_raise_false_alarms():
    rng, alarms = np.random.default_rng(2), 0
    from scipy import stats

    for _ in range(100):
        one, other = series(rng, 300, 0.8), series(rng, 300, 0.8)
        alarms += stats.ks_2samp(one, other).pvalue < 0.05
    assert alarms > 25


def test_a_changed_field_and_a_changed_choice_are_named():
    rng = np.random.default_rng(3)
    before, after = rows(rng, 2000, 0.5), rows(rng, 2000, 0.5)
    for row in after:
        row["bandwidth"] -= 1.0
    named = {one.name: one for one in input_drift(before, after, 0.01)}
    assert [name for name, one in named.items() if one.alarm] == ["bandwidth"]
    assert named["bandwidth"].thinned > 1 and named["mode"].method == "chi-square"
    for row in after:
        row["mode"] = "best"
    assert {one.name for one in input_drift(before, after, 0.01) if one.alarm} == {
        "bandwidth", "mode",
    }  # fmt: skip


@pytest.mark.parametrize(("shift", "direction"), [(-1.0, "down"), (1.0, "up")])
def test_a_change_of_the_reward_is_found_soon_after_it(shift, direction):
    rng = np.random.default_rng(4)
    current = np.concatenate([series(rng, 500, 0.3), series(rng, 500, 0.3, shift)])
    result = reward_drift(series(rng, 1000, 0.3), current, 0.01)
    assert result.alarm and result.direction == direction
    assert 500 < result.alarm_at < 650 and result.statistic > result.threshold


def test_the_threshold_grows_as_alarms_become_rarer_and_the_watch_longer():
    assert cusum_threshold(50, 50, 0.01) > cusum_threshold(50, 50, 0.1)
    assert cusum_threshold(50, 200, 0.05) > cusum_threshold(50, 20, 0.05)
    assert cusum_threshold(50, 50, 0.05, 0.3) > cusum_threshold(50, 50, 0.05)


def test_the_autocorrelation_time_is_that_of_its_law():
    rng = np.random.default_rng(5)
    assert autocorrelation_time(rng.normal(size=4000)) == pytest.approx(1, abs=0.2)
    wanted = (1 + 0.8) / (1 - 0.8)
    assert autocorrelation_time(series(rng, 40_000, 0.8)) == pytest.approx(wanted, rel=0.15)
    assert autocorrelation_time(np.ones(50)) == 1


def test_holm_is_stepwise():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_a_report_names_its_parts_and_refuses_small_ones():
    rng = np.random.default_rng(6)
    before, after = rows(rng, 100), rows(rng, 100, shift=2.0)
    report = drift(before, after, (rng.normal(size=100), rng.normal(size=5)), rate=0.05)
    assert report.alarm and report.reward is None and report.facts()["reference"] == 100
    with pytest.raises(InputError, match="50 decisions or more; got 10"):
        drift(before[:10], after, (np.zeros(0), np.zeros(0)))
    with pytest.raises(InputError, match="above 0 and below 1"):
        drift(before, after, (np.zeros(0), np.zeros(0)), rate=1.5)


def test_clients_that_ask_in_turn_are_series_of_their_own():
    rng, trials, rate, clients = np.random.default_rng(7), 150, 0.05, 8
    alarms = 0
    for _ in range(trials):
        each = np.stack([series(rng, 600, 0.8) for _ in range(clients)])
        before, after = each[:, :300], each[:, 300:]
        result = reward_drift(
            before.T.ravel(), after.T.ravel(), rate, sequence=before.ravel(), clients=clients
        )
        alarms += result is not None and result.alarm
    assert alarms / trials <= rate + 3 * np.sqrt(rate * (1 - rate) / trials)
