"""Update a bundle whose system can be played again with the logged inputs.

The inputs of the log do not depend on decisions, and the physics are fitted to it. So the rewards
of candidate and running policy are computed on the same logged slots, and what was logged corrects
them where a policy decides as the log does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from edgewright.bundle import BadField, Bundle
from edgewright.bundle.choices import ACTION
from edgewright.core.errors import InputError
from edgewright.deploy.compression import Setting, setting_of
from edgewright.deploy.subject import Part, Subject, planners, subject_of
from edgewright.evaluation.statistics import Interval, paired_difference
from edgewright.export.policy import BundlePolicy
from edgewright.rules import off_policy
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.load import AnyScenario, resolved
from edgewright.serve.log_reader import LoggedDecision
from edgewright.serve.log_table import LogTable
from edgewright.specs.calibration import Calibration
from edgewright.systems.problem import Problem
from edgewright.systems.replay import LoggedInputs, Replay
from edgewright.training.runs import Run
from edgewright.update.calibrate import calibrated
from edgewright.update.candidates import exported, paired, retrained
from edgewright.update.estimates import (
    HEADLINE,
    RESAMPLES,
    OffPolicyValue,
    PolicyComparison,
    ValueInterval,
)
from edgewright.update.gate import gate, replay_gate, trust_gate
from edgewright.update.plan import (
    HELD_OUT,
    Evidence,
    GateClosed,
    OnShare,
    UpdatePlan,
    read_log,
    written,
)
from edgewright.update.samples import MIN_OUTCOMES
from edgewright.update.site import earned
from edgewright.update.trust import rank_correlation, suspects

REPLAYED = "replayed"
"""The estimate by the physics alone."""

MAX_WEIGHT = 10.0
"""Larger importance weights are left to the physics: the SWITCH estimator of Wang, Agarwal and
Dudik, "Optimal and adaptive off-policy evaluation in contextual bandits" (ICML 2017)."""

FLOOR = 0.25
"""Least deviation of a residual for the search of wrong outcomes, in deviations of a reward."""

MIN_EPISODES = 10
"""Least pieces of the held-out log that are played where slots follow one another."""


@dataclasses.dataclass(frozen=True)
class _Fitted:
    """A log and the scenario that was fitted to its older part."""

    table: LogTable
    scenario: AnyScenario
    problem: Problem
    expected: np.ndarray
    calibration: Calibration


def update_by_replay(
    plan: UpdatePlan, bundle: Bundle, run: Run, replay: Replay, on_share: OnShare
) -> dict[str, Any]:
    """Write a new bundle if it passes the gate; return what was found.

    Raises:
        InputError: the log cannot be used, or is too small.
        GateClosed: the gate does not pass; nothing was written but the retraining.
    """
    _check_whole(plan, bundle)
    table, left_out = usable(read_log(plan, bundle), bundle, str(plan.log))
    on_share(0.05, "calibrate the scenario")
    fitted = _fitted(plan, run, replay, table)
    reward, known = table.reward, np.isfinite(fitted.expected)
    floor = FLOOR * float(np.std(_calm(reward[known])))
    clients = np.array([row.client for row in table.rows])
    keep = np.ones(len(table), bool)
    keep[known], trust = suspects(
        reward[known], (reward - fitted.expected)[known], clients[known], floor
    )
    sound = keep & known
    likeness = rank_correlation(fitted.expected[sound], reward[sound])
    judged = trust_gate(trust, likeness)
    evidence = Evidence(trust, left_out, fitted.calibration, likeness, judged)
    if not judged.passed:
        raise GateClosed(evidence)
    fitted = _fitted(plan, run, replay, table.only(keep))
    evidence = dataclasses.replace(evidence, calibration=fitted.calibration)
    on_share(0.1, "retrain")
    candidate = _candidate(plan, bundle, run, replay, fitted, on_share)
    on_share(0.75, "compare")
    evidence = _judged(plan, bundle, candidate, replay, fitted, evidence)
    if not evidence.gate.passed:
        raise GateClosed(evidence)
    result = written(plan, bundle, candidate, fitted.table, evidence)
    on_share(1.0, "done")
    return result


def _check_whole(plan: UpdatePlan, bundle: Bundle) -> None:
    """Check that a bundle holds the policy of its run as a whole, as it was trained.

    Raises:
        InputError: it holds one level of it, or a network that decides like a planner.
    """
    origin = bundle.facts["provenance"]
    subject = subject_of(plan.run, int(origin.get("seed", 0)), _part(origin), plan.data)
    if origin.get("level") is None and not planners(subject.policy):
        return
    message = "the bundle must hold the whole policy of a run, as it was trained"
    hint = "train a learner whose policy is exported as it is, such as ddpg-ddpg"
    raise InputError(message, where=str(plan.bundle), hint=hint)


def _part(origin: Mapping[str, Any]) -> Part:
    return Part(task=origin.get("task"), level=origin.get("level"))


def usable(table: LogTable, bundle: Bundle, where: str) -> tuple[LogTable, dict[str, int]]:
    """Return the decisions of a policy with outcomes, and how many others there are, by reason.

    Args:
        where: names the log in messages.

    Raises:
        InputError: fewer than :data:`MIN_OUTCOMES` decisions stay.
    """
    reasons = {"by a rule": 0, "no outcome": 0, "not of this bundle": 0}
    keep = np.zeros(len(table), bool)
    for index, row in enumerate(table.rows):
        if not row.by_policy:
            reasons["by a rule"] += 1
        elif row.reward is None:
            reasons["no outcome"] += 1
        elif _encoded(bundle, row) is None:
            reasons["not of this bundle"] += 1
        else:
            keep[index] = True
    if (count := int(keep.sum())) < MIN_OUTCOMES:
        message = f"the log must hold {MIN_OUTCOMES} decisions of the policy with outcomes"
        hint = f"{MIN_OUTCOMES - count} more are needed: report them with POST /v1/outcome"
        raise InputError(f"{message}; got {count}", where=where, hint=hint)
    return table.only(keep), {reason: n for reason, n in reasons.items() if n}


def _encoded(bundle: Bundle, row: LoggedDecision) -> list[float] | None:
    try:
        return bundle.interface.encode(row.observation)[0]
    except BadField:
        return None


def _fitted(plan: UpdatePlan, run: Run, replay: Replay, table: LogTable) -> _Fitted:
    """Return the scenario that is fitted to the older part of a log."""
    first = table.only(_old(table))
    scenario, calibration = calibrated(run.request.scenario, first, str(plan.log))
    problem = build(scenario, plan.data or run.request.data)
    world = world_of_learner(run.request.learner, problem)
    problem = dataclasses.replace(problem, world=world)
    return _Fitted(table, scenario, problem, replay.reward(problem, table), calibration)


def _old(table: LogTable) -> np.ndarray:
    """Return which decisions ``[n]`` are learned from; the newest ones judge."""
    return np.arange(len(table)) < round((1.0 - HELD_OUT) * len(table))


def _candidate(
    plan: UpdatePlan,
    bundle: Bundle,
    run: Run,
    replay: Replay,
    fitted: _Fitted,
    on_share: OnShare,
) -> Bundle:
    """Return the bundle of the policy that comes of the older part of the log."""
    if replay.tune is None:
        return exported(plan, bundle, retrained(plan, bundle, run, fitted.scenario, on_share))
    origin = bundle.facts["provenance"]
    first = fitted.table.only(_old(fitted.table))
    inputs = replay.inputs(fitted.problem, first)
    size = max(1, getattr(run.plan.learner, "base", run.plan.learner).rollout_steps)
    steps = int(plan.steps) if plan.steps is not None else max(1, len(inputs.index) // size)
    policy = replay.tune(run, origin, fitted.problem, inputs.rows, steps)
    seed = int(origin.get("seed", 0))
    subject: Subject = dataclasses.replace(
        subject_of(plan.run, seed, _part(origin), plan.data), policy=policy
    )
    rows = np.array([_encoded(bundle, row) for row in fitted.table.rows], np.float32)
    made = exported(plan, bundle, subject, rows)
    return dataclasses.replace(made, facts={**made.facts, "scenario": resolved(fitted.scenario)})


def _judged(
    plan: UpdatePlan,
    bundle: Bundle,
    candidate: Bundle,
    replay: Replay,
    fitted: _Fitted,
    evidence: Evidence,
) -> Evidence:
    """Return the evidence with the comparisons on the held-out log and in simulation."""
    new = ~_old(fitted.table)
    held_out, expected = fitted.table.only(new), fitted.expected[new]
    reward = held_out.reward
    known = np.isfinite(expected)
    spread = float(np.std(reward[known]))
    error = float(np.median(np.abs(reward - expected)[known])) / max(spread, 1e-12)
    if replay.independent:
        comparison = independent_slots((candidate, bundle), fitted.problem, replay, held_out)
    else:
        inputs = replay.inputs(fitted.problem, held_out)
        comparison = played((candidate, bundle), fitted.problem, inputs, reward, str(plan.log))
    shown = None
    if replay.shown is not None:
        first = fitted.table.only(~new)
        shown = replay.shown(first, actions_of(candidate, held_out))
    simulated = _simulated(
        candidate, bundle, setting_of(candidate, plan.data, plan.episodes), replay
    )
    log = replay_gate(evidence.gate, error, shown)
    judged = gate(log, comparison, spread, simulated, plan.max_loss)
    return dataclasses.replace(evidence, gate=judged, comparison=comparison, simulated=simulated)


def _simulated(candidate: Bundle, bundle: Bundle, setting: Setting, replay: Replay) -> Interval:
    """Return the difference of reward on the same simulated episodes, by the answered actions."""
    if replay.independent:
        return paired(candidate, bundle, setting, lambda one: BundlePolicy(bundle=one))
    world, params = setting.world, setting.problem.params
    ours, others = (earned(one, world, params, setting.inputs) for one in (candidate, bundle))
    return paired_difference(ours, others)


def actions_of(bundle: Bundle, table: LogTable) -> np.ndarray:
    """Return the actions ``[n, ...]`` of a bundle in the logged states, without exploring."""
    rows = np.array([_encoded(bundle, row) for row in table.rows], np.float32)
    return np.asarray(bundle.engine.many(rows)[ACTION])


def independent_slots(
    bundles: Sequence[Bundle], problem: Problem, replay: Replay, table: LogTable
) -> PolicyComparison:
    """Return candidate and running policy in the logged states, one decision at a time.

    ``q(x_i, pi) + 1[w_i <= m] w_i (r_i - q(x_i, a_i))`` with the physics ``q``, the importance
    weights ``w_i = 1[pi(x_i) = a_i] / p_i``, and ``m`` = :data:`MAX_WEIGHT`.

    Args:
        bundles: candidate and running policy.
        problem: fitted to the older part of the log.
        table: the newest decisions, with outcomes.
    """
    expected = replay.reward(problem, table)
    residual = np.nan_to_num(table.reward - expected)
    chance = np.nan_to_num(table.propensity, nan=np.inf)
    taken = np.array([np.ravel(row.decision[ACTION]) for row in table.rows])
    each, sizes = [], []
    for bundle in bundles:
        actions = actions_of(bundle, table).reshape(taken.shape)
        rows = [
            dataclasses.replace(row, decision={**row.decision, ACTION: action.tolist()})
            for row, action in zip(table.rows, actions, strict=True)
        ]
        direct = np.nan_to_num(replay.reward(problem, LogTable(rows)))
        weight = (actions == taken).all(axis=1) / chance
        weight = np.where(weight <= MAX_WEIGHT, weight, 0.0)
        each.append({REPLAYED: direct, HEADLINE: direct + weight * residual})
        sizes.append(weight)
    return _compared(each, sizes, table.reward)


def played(
    bundles: Sequence[Bundle],
    problem: Problem,
    inputs: LoggedInputs,
    reward: np.ndarray,
    where: str,
) -> PolicyComparison:
    """Return candidate and running policy on the logged inputs, in pieces from a fresh state.

    Args:
        bundles: candidate and running policy.
        inputs: of the newest decisions.
        reward: as logged ``[n]``.
        where: names the log in messages.

    Raises:
        InputError: there are fewer than :data:`MIN_EPISODES` pieces.
    """
    size = inputs.episode
    count = (len(inputs.index) - 1) // size
    if count < MIN_EPISODES:
        needed = int(np.ceil((MIN_EPISODES - count) * size / HELD_OUT))
        message = f"the newest decisions must hold {MIN_EPISODES} pieces of {size}; got {count}"
        hint = f"about {needed:,} more decisions are needed"
        raise InputError(message, where=where, hint=hint)

    def piece(leaf: Any) -> Any:
        first = np.arange(count)[None, :] * size + np.arange(size + 1)[:, None]
        return np.asarray(leaf)[first]

    rows = jax.tree.map(piece, inputs.rows)
    each = [{REPLAYED: earned(bundle, problem.world, problem.params, rows)} for bundle in bundles]
    return _compared(each, [np.ones(count)] * len(each), reward)


def _compared(
    each: Sequence[dict[str, np.ndarray]], weights: Sequence[np.ndarray], reward: np.ndarray
) -> PolicyComparison:
    """Return both values and their difference with percentile-bootstrap intervals."""
    candidate, running = each
    values = [
        OffPolicyValue(
            methods={name: _mean(value) for name, value in one.items()},
            effective=off_policy.effective_sample_size(weight),
            unsupported=float(np.mean(weight == 0)),
            largest_weight=float(np.max(weight)),
        )
        for one, weight in zip(each, weights, strict=True)
    ]
    difference = {name: _mean(candidate[name] - running[name]) for name in candidate}
    ours, others = values
    return PolicyComparison(len(reward), _mean(reward), ours, others, difference)


def _mean(values: np.ndarray) -> ValueInterval:
    counts = off_policy.resampled(len(values), RESAMPLES, 0)
    low, high = np.quantile(counts @ values / len(values), (0.025, 0.975))
    return ValueInterval(float(np.mean(values)), float(low), float(high))


def _calm(values: np.ndarray) -> np.ndarray:
    """Return values without the tails of 5 % on either side."""
    return np.clip(values, *np.quantile(values, (0.05, 0.95)))


__all__ = ["MAX_WEIGHT", "REPLAYED", "independent_slots", "played", "update_by_replay", "usable"]
