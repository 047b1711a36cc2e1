"""Update a bundle from its log, and write what passes the gate."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgewright.bundle import Bundle, load
from edgewright.deploy.compression import setting_of
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.load import AnyScenario
from edgewright.serve.log_table import LogTable
from edgewright.systems.registry import system_of
from edgewright.update import estimates
from edgewright.update.calibrate import calibrated
from edgewright.update.candidates import exported, paired, retrained
from edgewright.update.gate import gate, trust_gate
from edgewright.update.late import agrees_with_metrics
from edgewright.update.plan import (
    HELD_OUT,
    Evidence,
    GateClosed,
    OnShare,
    UpdatePlan,
    read_log,
    run_of,
    written,
)
from edgewright.update.replayed import update_by_replay
from edgewright.update.samples import Samples, greedy_law, samples_of
from edgewright.update.simulate import SimulatedEdge, simulated_log
from edgewright.update.trust import agreement, robust_deviation, trusted

COPIES, SLOTS = 32, 100
"""Copies of the world, and slots of each, in which the running policy is simulated."""


def update(plan: UpdatePlan, on_share: OnShare = lambda share, text: None) -> dict[str, Any]:
    """Write a new bundle if it passes the gate; return what was found.

    Raises:
        InputError: the log, the bundle or the run cannot be used, or the log is too small.
        GateClosed: the gate does not pass; nothing was written but the retraining.
    """
    on_share(0.0, "read the log")
    bundle = load(plan.bundle)
    run = run_of(bundle, plan)
    if (replay := system_of(run.problem.kind).replay) is not None:
        return update_by_replay(plan, bundle, run, replay, on_share)
    samples = samples_of(read_log(plan, bundle), bundle, str(plan.log))
    actions = greedy_law(bundle, samples.rows[:1]).shape[1]
    agrees = agrees_with_metrics(bundle, samples.table)
    sound, trust = trusted(samples, actions, agrees)
    first, held_out = divided(sound)
    on_share(0.05, "calibrate the scenario")
    scenario, calibration = calibrated(run.request.scenario, first.table, str(plan.log))
    simulated = simulated_samples(bundle, scenario, run.request.learner, plan)
    likeness = agreement(sound, simulated, actions)
    judged = trust_gate(trust, likeness)
    evidence = Evidence(trust, samples.left_out, calibration, likeness, judged)
    if not judged.passed:
        raise GateClosed(evidence)
    on_share(0.1, "retrain")
    subject = retrained(plan, bundle, run, scenario, on_share)
    on_share(0.75, "compare")
    candidate = exported(plan, bundle, subject)
    evidence = _compared(plan, bundle, candidate, held_out, evidence)
    if not evidence.gate.passed:
        raise GateClosed(evidence)
    result = written(plan, bundle, candidate, sound.table, evidence)
    on_share(1.0, "done")
    return result


def _compared(
    plan: UpdatePlan, bundle: Bundle, candidate: Bundle, held_out: Samples, evidence: Evidence
) -> Evidence:
    """Return the evidence with the comparisons on the held-out log and in simulation."""
    comparison = compared(candidate, bundle, held_out, str(plan.log))
    simulated = paired(candidate, bundle, setting_of(candidate, plan.data, plan.episodes))
    spread = robust_deviation(held_out.logged.reward)
    judged = gate(evidence.gate, comparison, spread, simulated, plan.max_loss)
    return dataclasses.replace(evidence, gate=judged, comparison=comparison, simulated=simulated)


def divided(samples: Samples) -> tuple[Samples, Samples]:
    """Return the decisions to learn from, and the newest ones that judge."""
    count = len(samples.rows)
    old = np.arange(count) < round((1.0 - HELD_OUT) * count)
    return samples.only(old), samples.only(~old)


def compared(
    candidate: Bundle, running: Bundle, held_out: Samples, where: str
) -> estimates.PolicyComparison:
    """Return candidate and running policy on a held-out log.

    Raises:
        InputError: the log says too little of the candidate; the message says how much is missing.
    """
    laws = [greedy_law(one, held_out.rows) for one in (candidate, running)]
    result = estimates.compare_policies(held_out.logged, *laws)
    for value in (result.candidate, result.running):
        estimates.check_enough(value, held_out.logged, where)
    return result


def simulated_samples(
    bundle: Bundle, scenario: AnyScenario, learner: str, plan: UpdatePlan
) -> Samples:
    """Return decisions of a bundle in a simulated scenario, half of them drawn uniformly."""
    problem = build(scenario, plan.data)
    edge = SimulatedEdge(problem, world_of_learner(learner, problem), COPIES)
    rows = simulated_log(edge, bundle, slots=SLOTS, explore=0.5)
    return samples_of(LogTable(rows), bundle, str(plan.log))


__all__ = ["Evidence", "GateClosed", "UpdatePlan", "compared", "update"]
