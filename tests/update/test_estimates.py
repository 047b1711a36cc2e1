"""Off-policy estimates are unbiased, cover the truth as often as stated, and refuse small logs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.rules import off_policy
from edgewright.rules.off_policy import LoggedActions
from edgewright.update.estimates import (
    METHODS,
    check_enough,
    compare_policies,
    estimate,
    needed,
)

spec = importlib.util.spec_from_file_location("toy", Path(__file__).with_name("toy.py"))
toy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toy)

REPETITIONS, DECISIONS = 800, 400


@pytest.fixture(scope="module")
def truth():
    return toy.true_value(toy.greedy_law, 400_000)


@pytest.fixture(scope="module")
def repeated():
    """Return the intervals of every method over many logs of the same world."""
    rng, values = np.random.default_rng(5), []
    for _ in range(REPETITIONS):
        logged, x = toy.log(rng, DECISIONS)
        values.append(estimate(logged, toy.greedy_law(x), resamples=400))
    return values


@pytest.mark.parametrize("method", METHODS)
def test_intervals_cover_the_true_value_as_often_as_stated(method, repeated, truth):
    intervals = [value.methods[method] for value in repeated]
    covered = np.mean([one.low <= truth <= one.high for one in intervals])
    assert 0.93 <= covered <= 0.97
    estimates = np.array([one.estimate for one in intervals])
    error = estimates.std() / np.sqrt(REPETITIONS)
    assert abs(estimates.mean() - truth) < 4 * error


def test_the_model_takes_most_of_the_variance(repeated):
    spread = {m: np.std([v.methods[m].estimate for v in repeated]) for m in METHODS}
    assert spread["doubly_robust"] < spread["self_normalised"] < spread["importance_weighted"]


def test_a_wrong_model_biases_the_direct_estimate_alone(truth):
    logged, x = toy.log(np.random.default_rng(0), 40_000)
    blind = LoggedActions(x[:, :1], logged.action, logged.reward, logged.propensity)
    methods = estimate(blind, toy.greedy_law(x), resamples=200).methods
    assert methods["direct"].high < truth
    assert methods["doubly_robust"].low < truth < methods["doubly_robust"].high


def test_estimates_agree_with_their_equations():
    rng = np.random.default_rng(3)
    logged, x = toy.log(rng, 50)
    law = rng.dirichlet(np.ones(3), size=50)
    counts = rng.integers(0, 3, size=(1, 50)).astype(float)
    model = off_policy.reward_model(logged, 3, counts)
    q = x @ model[0].T
    w = [law[i, logged.action[i]] / logged.propensity[i] for i in range(50)]
    total = counts.sum()
    rows = range(50)
    direct = sum(counts[0, i] * sum(law[i, a] * q[i, a] for a in range(3)) for i in rows) / total
    weighted = sum(counts[0, i] * w[i] * logged.reward[i] for i in rows) / total
    share = sum(counts[0, i] * w[i] for i in rows) / total
    left = [counts[0, i] * w[i] * (logged.reward[i] - q[i, logged.action[i]]) for i in rows]
    weights = off_policy.importance_weights(law, logged)
    assert off_policy.direct(logged, law, model, counts)[0] == pytest.approx(direct)
    assert off_policy.importance_weighted(weights, logged.reward, counts)[0] == pytest.approx(
        weighted
    )
    assert off_policy.self_normalised(weights, logged.reward, counts)[0] == pytest.approx(
        weighted / share
    )
    assert off_policy.doubly_robust(logged, law, model, counts)[0] == pytest.approx(
        direct + sum(left) / total
    )


def test_a_rare_action_takes_the_reward_of_all():
    logged, _ = toy.log(np.random.default_rng(0), 2000, noise=0.0)
    model = off_policy.reward_model(logged, 4, np.ones((1, 2000)))[0]
    x = toy.features(np.random.default_rng(9), 100)
    assert np.max(np.abs(x @ model[:3].T - toy.means(x))) < 0.1
    shared = np.linalg.lstsq(logged.features, logged.reward, rcond=None)[0]
    assert np.allclose(model[3], shared, atol=1e-2)


def test_a_difference_uses_the_same_resamples():
    logged, x = toy.log(np.random.default_rng(0), 1000)
    law = toy.greedy_law(x)
    same = compare_policies(logged, law, law, resamples=100)
    assert all(one.low == one.high == 0 for one in same.difference.values())
    other = compare_policies(logged, law, toy.logging_law(x), resamples=200)
    assert other.difference["doubly_robust"].low > 0
    assert other.logged.low < other.running.methods["doubly_robust"].estimate < other.logged.high
    width = other.difference["doubly_robust"]
    alone = other.candidate.methods["doubly_robust"]
    assert width.high - width.low < 1.2 * (alone.high - alone.low)


def test_a_small_log_is_refused_with_the_number_that_is_missing():
    logged, x = toy.log(np.random.default_rng(0), 60)
    value = estimate(logged, toy.greedy_law(x), resamples=50)
    more = needed(value.effective, logged)
    with pytest.raises(InputError, match=f"got {value.effective:.1f}") as error:
        check_enough(value, logged, "log.db")
    assert f"{more:,} more decisions" in str(error.value)
    larger, x = toy.log(np.random.default_rng(1), 60 + 2 * more)
    check_enough(estimate(larger, toy.greedy_law(x), resamples=50), larger, "log.db")


def test_a_log_without_exploring_is_refused():
    logged, x = toy.log(np.random.default_rng(0), 1000)
    action = np.argmax(toy.logging_law(x), axis=1)
    certain = LoggedActions(x, action, logged.reward, np.ones(1000))
    value = estimate(certain, toy.greedy_law(x), resamples=20)
    assert value.unsupported == pytest.approx(np.mean(action != np.argmax(toy.means(x), axis=1)))
    with pytest.raises(InputError, match="no other action had a chance"):
        check_enough(value, certain, "log.db")
    check_enough(estimate(certain, np.eye(3)[action], resamples=20), certain, "log.db")


def test_without_a_like_decision_the_smallest_propensity_bounds_the_need():
    logged = LoggedActions(np.ones((10, 1)), np.zeros(10, int), np.ones(10), np.full(10, 0.02))
    assert needed(0.0, logged) == 5000 - 10


def test_the_effective_size_counts_equal_weights():
    assert off_policy.effective_sample_size(np.array([2.0, 2.0, 0.0])) == pytest.approx(2)
    assert off_policy.effective_sample_size(np.zeros(3)) == 0
