"""Statistics against hand numbers, SciPy, and simulated data whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edgewright.core.errors import InputError
from edgewright.evaluation import statistics as s


def bootstrap(values, statistic=np.mean, **settings):
    """Return the interval of one seed's statistic over episodes."""
    return s.paired_difference(values, np.zeros(len(values)), statistic, **settings)


def test_iqm_by_hand():
    assert s.interquartile_mean([1, 2, 3, 4, 5, 6, 7, 1000]) == pytest.approx((3 + 4 + 5 + 6) / 4)
    assert s.interquartile_mean([5.0]) == 5.0
    assert s.interquartile_mean([[9, 1], [3, 5]]) == pytest.approx(4.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_iqm_is_scipys_trimmed_mean(values):
    assert s.interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-6)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_iqm_along_an_axis(axis):
    values = np.random.default_rng(3).normal(size=(11, 7))
    expected = stats.trim_mean(values, 0.25, axis=axis)
    np.testing.assert_allclose(s.interquartile_mean(values, axis=axis), expected)


@pytest.mark.parametrize(
    ("statistic", "truth"), [(np.mean, 1.0), (s.interquartile_mean, None), (np.median, np.log(2))]
)
def test_bootstrap_covers_the_truth_of_a_skewed_distribution(statistic, truth):
    rng = np.random.default_rng(11)
    if truth is None:  # the population's own interquartile mean of Exp(1)
        truth = s.interquartile_mean(stats.expon.ppf((np.arange(200_000) + 0.5) / 200_000))
    hits = 0
    for trial in range(200):
        interval = bootstrap(rng.exponential(size=60), statistic, resamples=400, seed=trial)
        assert interval.low <= interval.estimate <= interval.high
        hits += not interval.excludes(truth)
    assert 0.88 <= hits / 200 <= 0.99


def test_bootstrap_agrees_with_the_standard_error():
    values = np.random.default_rng(0).normal(10.0, 2.0, 400)
    interval = bootstrap(values, resamples=4000)
    half = 1.96 * values.std() / np.sqrt(values.size)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.08)
    narrower = bootstrap(values, confidence=0.5)
    assert narrower.high - narrower.low < 0.5 * (interval.high - interval.low)
    assert narrower.confidence == 0.5


def test_same_seed_same_interval_other_seed_other_interval():
    values = np.random.default_rng(1).normal(size=(4, 9))
    for function, data in (
        (bootstrap, (values[0],)),
        (s.paired_difference, (values, values[0])),
        (s.normalised_score_interval, (values, values[0] - 9, values[1] + 9)),
    ):
        first, again, other = (function(*data, seed=k) for k in (5, 5, 6))
        assert first == again
        assert first != other
        assert first.estimate == other.estimate


def test_results_do_not_depend_on_the_order_of_calls_or_global_state():
    values = np.arange(12.0)
    np.random.seed(0)
    first = bootstrap(values)
    np.random.seed(1)
    assert bootstrap(values) == first


def test_pairing_removes_what_the_episodes_share():
    rng = np.random.default_rng(2)
    difficulty = rng.normal(0.0, 5.0, 100)
    ours = difficulty + 0.3 + rng.normal(0.0, 0.3, (6, 100))
    reference = difficulty + rng.normal(0.0, 0.3, 100)
    paired = s.paired_difference(ours, reference)
    assert paired.excludes(0.0)
    assert paired.estimate == pytest.approx(np.mean(ours) - np.mean(reference))
    unpaired = s.paired_difference(ours, rng.permutation(reference))
    assert paired.high - paired.low < 0.15 * (unpaired.high - unpaired.low)
    assert not unpaired.excludes(0.0)


def test_paired_difference_speaks_about_new_seeds():
    """Coverage over new seeds *and* episodes; resampling episodes only would miss it badly."""
    rng = np.random.default_rng(4)
    crossed, naive = 0, 0
    for trial in range(200):
        luck, difficulty = rng.normal(0, 1, (12, 1)), rng.normal(0, 2, 60)
        ours = 1.0 + luck + difficulty * 1.2 + rng.normal(0, 0.5, (12, 60))
        interval = s.paired_difference(ours, difficulty, resamples=400, seed=trial)
        crossed += not interval.excludes(1.0)
        alone = s.paired_difference(ours.mean(axis=0), difficulty, resamples=400, seed=trial)
        naive += not alone.excludes(1.0)
    assert 0.88 <= crossed / 200 <= 0.99
    assert naive / 200 < 0.7


def test_all_seeds_share_one_draw_of_episodes():
    """What an episode does to every seed alike does not average out over the seeds."""
    rng = np.random.default_rng(6)
    advantage = rng.normal(0.5, 1.0, 80)
    difference = s.paired_difference(np.tile(advantage, (12, 1)), np.zeros(80), resamples=4000)
    half = 1.96 * advantage.std() / np.sqrt(80)
    assert difference.high - difference.low == pytest.approx(2 * half, rel=0.1)
    score = s.normalised_score_interval(
        np.tile(advantage, (12, 1)), np.zeros(80) - 1.0, np.ones(80), resamples=4000
    )
    assert score.high - score.low == pytest.approx(half, rel=0.1)


def test_seeds_of_both_sides_widen_the_interval():
    rng = np.random.default_rng(5)
    ours, theirs = (rng.normal(0, 1, (8, 1)) + np.zeros((8, 30)) for _ in range(2))
    both = s.paired_difference(ours, theirs, resamples=4000)
    one = s.paired_difference(ours, theirs.mean(axis=0), resamples=4000)
    variance = (ours[:, 0].var() + theirs[:, 0].var()) / 8
    assert both.estimate == pytest.approx(one.estimate)
    assert both.high - both.low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.1)
    assert both.high - both.low > 1.1 * (one.high - one.low)


def test_identical_policies_differ_by_exactly_nothing():
    values = np.random.default_rng(0).normal(size=50)
    assert s.paired_difference(values, values) == s.Interval(0.0, 0.0, 0.0, 0.95)


def test_paired_difference_takes_another_statistic():
    ours, reference = np.array([[1.0, 2.0, 300.0, 4.0]]), np.array([0.0, 1.0, 0.0, 1.0])
    assert s.paired_difference(ours, reference, s.interquartile_mean).estimate == 2.0  # 1 1 300 3


def test_the_mean_of_one_seed_and_of_several():
    values = np.random.default_rng(8).normal(size=(3, 40))
    assert s.mean_interval(values) == s.paired_difference(values, np.zeros(40))
    assert s.mean_interval(values[0]) == bootstrap(values[0])
    assert s.mean_interval([2.0, 2.0]) == s.Interval(2.0, 2.0, 2.0, 0.95)


def test_probability_of_improvement_by_hand():
    # two seeds on three episodes: 1<2, 5=5, 9>4 and 3>2, 6>5, 0<4 -> (0 + 1/2 + 1 + 1 + 1 + 0) / 6
    found = s.probability_of_improvement([[1, 5, 9], [3, 6, 0]], [2, 5, 4])
    assert found.estimate == pytest.approx(3.5 / 6)
    # episodes are compared with themselves alone: unpaired, a half of the pairs would win
    assert s.probability_of_improvement([1, 101], [0, 100]) == s.Interval(1.0, 1.0, 1.0, 0.95)
    assert s.probability_of_improvement([7, 7], [7, 7]).estimate == 0.5


def test_probability_of_improvement_is_the_mean_u_over_episodes_and_covers():
    rng = np.random.default_rng(0)
    truth, hits = stats.norm.cdf(1 / np.sqrt(2)), 0
    for _ in range(100):
        x, y = rng.normal(1.0, 1.0, (6, 30)), rng.normal(0.0, 1.0, (4, 30))
        interval = s.probability_of_improvement(x, y)
        hits += not interval.excludes(truth)
    assert hits / 100 >= 0.88
    u = [stats.mannwhitneyu(x[:, e], y[:, e]).statistic / (6 * 4) for e in range(30)]
    assert interval.estimate == pytest.approx(np.mean(u))
    mirrored = s.probability_of_improvement(y, x)
    assert mirrored.estimate == pytest.approx(1 - interval.estimate)


def test_performance_profile_by_hand():
    band = s.performance_profile([0.1, 0.5, 0.5, 0.9], [0.0, 0.5, 0.7, 1.0])
    np.testing.assert_allclose(band.estimate, [1.0, 0.25, 0.25, 0.0])  # strictly above
    assert np.all(band.low <= band.estimate) and np.all(band.estimate <= band.high)
    assert band.low[0] == band.high[0] == 1.0 and band.low[3] == band.high[3] == 0.0
    assert band.low[1] == 0.0 and 0.5 <= band.high[1] <= 0.75
    two = s.performance_profile([[1.0, 3.0], [2.0, 3.0]], [1.0, 2.0])
    np.testing.assert_allclose(two.estimate, [0.75, 0.5])


def test_a_performance_profile_speaks_about_new_seeds_and_new_episodes():
    luck = np.random.default_rng(3).normal(size=(12, 1))
    alike = s.performance_profile(luck + np.zeros((12, 50)), [0.0])  # a seed is all there is
    share = (luck > 0).mean()
    half = 1.96 * np.sqrt(share * (1 - share) / 12)
    assert alike.high[0] - alike.low[0] == pytest.approx(2 * half, rel=0.2)
    turned = s.performance_profile(luck.T + np.zeros((50, 12)), [0.0])  # an episode is
    assert turned.high[0] - turned.low[0] == pytest.approx(2 * half, rel=0.2)


def test_pointwise_band_reduces_runs_and_keeps_points():
    values = np.random.default_rng(0).normal(size=(9, 5)) + np.arange(5)
    band = s.pointwise_band(values, s.interquartile_mean)
    np.testing.assert_allclose(band.estimate, stats.trim_mean(values, 0.25, axis=0))
    third = bootstrap(values[:, 2], s.interquartile_mean, resamples=20_000)
    assert band.low[2] == pytest.approx(third.low, abs=0.1)
    assert band.high[2] == pytest.approx(third.high, abs=0.1)


def test_normalised_score():
    assert s.normalised_score(3.0, 1.0, 5.0) == 0.5
    np.testing.assert_allclose(s.normalised_score([1.0, 5.0, 7.0], 1.0, 5.0), [0.0, 1.0, 1.5])
    with pytest.raises(InputError, match="does not lie above the low anchor"):
        s.normalised_score(1.0, 2.0, 2.0)


def test_normalised_score_interval_is_invariant_and_covers():
    rng = np.random.default_rng(9)
    hits = 0
    for trial in range(200):
        episode = rng.normal(0, 3, 50)
        random = episode - 5 + rng.normal(0, 1, 50)
        reference = episode + 5 + rng.normal(0, 1, 50)
        ours = episode + 3 + rng.normal(0, 0.8, (10, 1)) + rng.normal(0, 1, (10, 50))
        arrays = ours, random, reference
        interval = s.normalised_score_interval(*arrays, resamples=300, seed=trial)
        hits += not interval.excludes(0.8)
    assert 0.88 <= hits / 200 <= 0.99
    moved = s.normalised_score_interval(*(7.0 * a - 100 for a in arrays), resamples=300, seed=199)
    assert moved.low == pytest.approx(interval.low) and moved.high == pytest.approx(interval.high)
    anchors = s.normalised_score_interval(reference, random, reference)
    assert anchors.low == anchors.estimate == anchors.high == 1.0


def test_normalised_score_interval_refuses_a_reference_no_better_than_random():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="score has no meaning"):
        s.normalised_score_interval(*rng.normal(size=(3, 20)))


def test_blocks_do_not_change_shape_or_size(monkeypatch):
    values = np.random.default_rng(0).normal(size=(5, 30))
    whole = s.paired_difference(values, values[0], resamples=999)
    monkeypatch.setattr(s, "_BLOCK", 2000)
    parts = s.paired_difference(values, values[0], resamples=999)
    assert parts.estimate == whole.estimate
    assert parts.high - parts.low == pytest.approx(whole.high - whole.low, rel=0.2)
    assert sum(s._blocks(999, 180)) == 999


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: s.interquartile_mean([]), "'values' is empty"),
        (lambda: s.interquartile_mean([1, np.nan]), "1 of 2 values that are NaN or infinite"),
        (lambda: s.mean_interval([]), "'values' is empty"),
        (lambda: s.mean_interval([1.0, np.inf, np.nan]), "2 of 3 values"),
        (lambda: s.mean_interval([[[1.0, 2.0]]]), r"shape \(1, 1, 2\); 2 axes"),
        (lambda: s.mean_interval([1.0]), "no interval"),
        (lambda: bootstrap([1.0, 2.0], confidence=95), "confidence = 95"),
        (lambda: bootstrap([1.0, 2.0], resamples=0), "resamples = 0"),
        (lambda: s.mean_interval([[1.0, 2.0], [1.0]]), "not a rectangular array"),
        (lambda: s.paired_difference([1.0, 2.0], [1.0]), "'ours' has 2, 'reference' has 1"),
        (lambda: s.paired_difference([1.0], [1.0]), "no interval"),
        (lambda: s.paired_difference([1.0, 2.0], [1.0, np.nan]), "'reference' holds 1 of 2"),
        (lambda: s.probability_of_improvement([], [1.0]), "'ours' is empty"),
        (lambda: s.probability_of_improvement([1.0, 2.0], [1.0]), "'reference' has 1"),
        (lambda: s.performance_profile([1.0], []), "'thresholds' is empty"),
        (lambda: s.normalised_score_interval([1.0], [0.0, 1.0], [2.0]), "episodes do not match"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()
