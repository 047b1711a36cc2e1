"""Late outcomes are what happened where their own delay and energy give the reward."""

import dataclasses

import numpy as np
import pytest

from edgewright.serve.log_table import LogTable
from edgewright.update.gate import trust_gate
from edgewright.update.late import agrees_with_metrics
from edgewright.update.samples import greedy_law, samples_of
from edgewright.update.simulate import simulated_log
from edgewright.update.trust import robust_deviation, trusted

EVERY = 20
"""One in so many outcomes is changed: more than may be absurd."""


@pytest.fixture(scope="module")
def rows(running, edge_of, deployable):
    """Return decisions of a simulated service."""
    return simulated_log(edge_of(deployable["scenario"]), running, slots=30, explore=0.5, seed=1)


@pytest.fixture(scope="module")
def judged(running):
    """Return what gives the findings on decisions, by all that is known of them."""

    def judge(rows):
        samples = samples_of(LogTable(rows), running, "log")
        actions = greedy_law(running, samples.rows[:1]).shape[1]
        agrees = agrees_with_metrics(running, samples.table)
        return trusted(samples, actions, agrees)

    return judge


def changed(rows, change):
    """Return decisions, one in :data:`EVERY` of which is changed."""
    return [change(row) if n % EVERY == 0 else row for n, row in enumerate(rows)]


def test_rewards_of_the_world_are_those_of_their_metrics(running, rows):
    assert agrees_with_metrics(running, LogTable(rows)).all()


def test_late_answers_are_kept_and_counted(later, rows, judged):
    late = changed(rows, lambda row: later(row, 1e4))
    samples, trust = judged(late)
    assert trust.absurd == 0.0
    assert trust.late == pytest.approx(1 / EVERY, abs=0.005)
    assert len(samples.rows) == len(rows)
    names = [one.name for one in trust_gate(trust, 0.9).failed]
    assert names == ["late outcomes"]  # one in twenty is more than may be late


def test_late_rewards_move_no_estimate(later, rows, judged):
    late = changed(rows, lambda row: later(row, 1e4))
    honest, samples = judged(rows)[0], judged(late)[0]
    assert samples.logged.reward.min() == pytest.approx(honest.logged.reward.min(), rel=0.2)
    deviations = [robust_deviation(one.logged.reward) for one in (honest, samples)]
    assert deviations[1] == pytest.approx(deviations[0], rel=0.2)
    assert samples.table.reward.min() < -100  # as it was reported


def test_a_reward_that_its_own_delay_does_not_give_is_absurd(rows, judged):
    wrong = changed(rows, lambda row: dataclasses.replace(row, reward=row.reward - 1e4))
    samples, trust = judged(wrong)
    assert trust.absurd == pytest.approx(1 / EVERY, abs=0.005) and trust.late == 0.0
    assert len(samples.rows) < len(rows)


def test_an_outcome_that_is_better_than_can_be_is_absurd(running, later, rows, judged):
    wrong = changed(rows, lambda row: later(row, -1e4))
    assert agrees_with_metrics(running, LogTable(wrong)).all()
    trust = judged(wrong)[1]
    assert trust.absurd == pytest.approx(1 / EVERY, abs=0.005) and trust.late == 0.0


def test_without_energies_or_for_another_system_nothing_agrees(running, rows, bundles):
    part = {"delay_s": 1.0}
    bare = [dataclasses.replace(row, metrics=part) for row in rows[:5]]
    assert not agrees_with_metrics(running, LogTable(bare)).any()
    refused = [dataclasses.replace(row, metrics={"served": 0.0}) for row in rows[:5]]
    rejected = running.facts["scenario"]["params"]["rejected_reward"]
    refused[0] = dataclasses.replace(refused[0], reward=rejected)
    assert np.flatnonzero(agrees_with_metrics(running, LogTable(refused))).tolist() == [0]
