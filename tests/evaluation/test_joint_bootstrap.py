"""The joint bootstrap against the two special cases there are already, and by hand."""

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.evaluation.joint_bootstrap import joint_bootstrap
from edgewright.evaluation.statistics import normalised_score_interval, paired_difference

RNG = np.random.default_rng(3)
EPISODES = RNG.normal(0, 1, 40)  # easy and hard ones, shared
A = 0.5 + EPISODES + RNG.normal(0, 0.1, (6, 40)) + RNG.normal(0, 0.05, (6, 1))
B = EPISODES + RNG.normal(0, 0.1, (4, 40)) + RNG.normal(0, 0.05, (4, 1))


def test_a_difference_agrees_with_the_paired_difference():
    joint = joint_bootstrap({"a": {"x": A}, "b": {"x": B}}, lambda m: m["a"]["x"] - m["b"]["x"])
    paired = paired_difference(A, B)
    assert joint.estimate == pytest.approx(paired.estimate)
    assert joint.low == pytest.approx(paired.low, abs=0.01)
    assert joint.high == pytest.approx(paired.high, abs=0.01)
    alone = joint_bootstrap({"a": {"x": A}}, lambda m: m["a"]["x"])
    assert alone.high - alone.low > 4 * (joint.high - joint.low)  # hard episodes cancel


def test_a_score_agrees_with_the_normalised_score():
    low, high = EPISODES - 2, EPISODES + 1
    arms = {"a": {"x": A}, "low": {"x": low[None]}, "high": {"x": high[None]}}

    def score(m):
        return (m["a"]["x"] - m["low"]["x"]) / (m["high"]["x"] - m["low"]["x"])

    joint, known = joint_bootstrap(arms, score), normalised_score_interval(A, low, high)
    assert joint.estimate == pytest.approx(known.estimate)
    assert (joint.low, joint.high) == pytest.approx((known.low, known.high), abs=0.01)


def test_arrays_of_an_arm_share_their_seeds_and_keep_further_axes():
    sums = np.stack([A, 2 * A], axis=-1)  # [seeds, episodes, 2]
    ratio = joint_bootstrap({"a": {"s": sums, "n": A}}, lambda m: m["a"]["s"][:, 1] / m["a"]["n"])
    assert (ratio.estimate, ratio.low, ratio.high) == pytest.approx((2, 2, 2))


def test_no_finite_value_no_interval():
    found = joint_bootstrap({"a": {"x": A}}, lambda m: m["a"]["x"] / 0.0)
    assert np.isnan(found.low)
    bad = A.copy()
    bad[0, 0] = np.nan
    with pytest.raises(InputError, match="'a: x' holds numbers that are not finite"):
        joint_bootstrap({"a": {"x": bad}}, lambda m: m["a"]["x"])
    with pytest.raises(InputError, match="seeds"):
        joint_bootstrap({"a": {"x": A, "y": B}}, lambda m: m["a"]["x"])


def test_what_a_seed_shares_cancels_only_where_seeds_are_paired():
    luck = RNG.normal(0, 1, (6, 1))  # of the networks that both arms start from
    arms = {"a": {"x": luck + A}, "b": {"x": luck + A - 0.25}}

    def less(m):
        return m["a"]["x"] - m["b"]["x"]

    paired, apart = joint_bootstrap(arms, less, paired_seeds=True), joint_bootstrap(arms, less)
    assert (paired.low, paired.high) == pytest.approx((0.25, 0.25))
    assert apart.estimate == pytest.approx(0.25)
    assert apart.low < -0.25 and apart.high > 0.75
    rule = {"a": {"x": A}, "rule": {"x": EPISODES[None]}}  # one seed pairs with none
    assert joint_bootstrap(rule, lambda m: m["a"]["x"] - m["rule"]["x"], paired_seeds=True).low > 0
