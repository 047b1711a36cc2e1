"""Update a bundle from its log, and write what passes the gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.bundle import Bundle, load
from edgewright.bundle.bundle import pack_again
from edgewright.bundle.history import replace_bundle
from edgewright.core.errors import CheckFailed, InputError
from edgewright.core.sealed import digest, read_json
from edgewright.deploy.compression import Setting, setting_of
from edgewright.deploy.export_run import bundle_of, rows_in
from edgewright.deploy.subject import WHOLE, Subject, explorer, subject_of
from edgewright.evaluation.actions import head_in
from edgewright.evaluation.statistics import Interval, paired_difference
from edgewright.export.heads import head_for
from edgewright.export.policy import whole_policy
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.load import AnyScenario, training_identity
from edgewright.serve.log_reader import DecisionLogReader
from edgewright.serve.log_table import LogTable
from edgewright.specs.calibration import Calibration
from edgewright.training.runs import Request, Run, load_run, request_digest, train
from edgewright.update import estimates
from edgewright.update.calibrate import calibrated
from edgewright.update.gate import MAX_LOSS, Gate, explained, gate, trust_gate
from edgewright.update.samples import Samples, greedy_law, samples_of
from edgewright.update.simulate import SimulatedEdge, simulated_log
from edgewright.update.trust import Trust, agreement, trusted

HELD_OUT = 0.3
"""Share of the decisions, the newest, that nothing is learned from."""

STEPS = 0.25
"""Steps of the retraining, as a share of those of the old training."""

COPIES, SLOTS = 32, 100
"""Copies of the world, and slots of each, in which the running policy is simulated."""

UPDATE = "update"
"""Name of the stage in the lineage."""

OnShare = Callable[[float, str], None]


@dataclasses.dataclass(frozen=True)
class UpdatePlan:
    """All settings of an update.

    Attributes:
        bundle: the running bundle, which decided in ``log``.
        run: folder of the run that the bundle was exported from: a bundle holds the actor alone.
        out: file of the new bundle.
        work: folder of the retraining, which resumes there and is the ``run`` of the next update.
        steps: of the retraining; :data:`STEPS` of the old training if None.
        newest: how many of the newest decisions count; all if None.
        max_loss: see :func:`edgewright.update.gate.gate`.
        episodes: of the comparison in simulation; as the scenario says if None.
    """

    bundle: Path
    log: Path
    run: Path
    out: Path
    work: Path
    steps: float | None = None
    newest: int | None = None
    max_loss: float = MAX_LOSS
    episodes: int | None = None
    data: str | None = None


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The findings of an update so far; parts that it did not reach are None."""

    trust: Trust
    left_out: dict[str, int]
    calibration: Calibration
    agreement: float
    gate: Gate
    comparison: estimates.PolicyComparison | None = None
    simulated: Interval | None = None

    def facts(self) -> dict[str, Any]:
        """Return the findings as plain data."""
        simulated = self.simulated
        return {
            "trust": self.trust.facts(),
            "left_out": self.left_out,
            "calibration": self.calibration.facts(),
            "agreement": self.agreement,
            "held_out": self.comparison.facts() if self.comparison is not None else None,
            "simulation": simulated.columns("difference") if simulated is not None else None,
            "gate": self.gate.facts(),
        }


class GateClosed(CheckFailed):
    """The error of a gate that does not pass.

    Attributes:
        evidence: what was found.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        super().__init__(explained(evidence.gate))


def update(plan: UpdatePlan, on_share: OnShare = lambda share, text: None) -> dict[str, Any]:
    """Write a new bundle if it passes the gate; return what was found.

    Raises:
        InputError: the log, the bundle or the run cannot be used, or the log is too small.
        GateClosed: the gate does not pass; nothing was written but the retraining.
    """
    on_share(0.0, "read the log")
    bundle = load(plan.bundle)
    run = run_of(bundle, plan)
    samples = samples_of(read_log(plan, bundle), bundle, str(plan.log))
    actions = greedy_law(bundle, samples.rows[:1]).shape[1]
    sound, trust = trusted(samples, actions)
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
    candidate = _exported(plan, bundle, subject)
    evidence = _compared(plan, bundle, candidate, held_out, evidence)
    if not evidence.gate.passed:
        raise GateClosed(evidence)
    lineage = [*bundle.facts["lineage"], _stage(bundle, sound, evidence)]
    facts = {**candidate.facts, "lineage": lineage}
    content, made = pack_again(facts, candidate.members, str(plan.out))
    replace_bundle(plan.out, content, bundle if plan.out.exists() else None, UPDATE)
    on_share(1.0, "done")
    return {
        "out": str(plan.out),
        "version": made.version,
        "from": bundle.version,
    } | evidence.facts()


def _compared(
    plan: UpdatePlan, bundle: Bundle, candidate: Bundle, held_out: Samples, evidence: Evidence
) -> Evidence:
    """Return the evidence with the comparisons on the held-out log and in simulation."""
    comparison = compared(candidate, bundle, held_out, str(plan.log))
    simulated = paired(candidate, bundle, setting_of(candidate, plan.data, plan.episodes))
    spread = float(np.std(held_out.logged.reward))
    judged = gate(evidence.gate, comparison, spread, simulated, plan.max_loss)
    return dataclasses.replace(evidence, gate=judged, comparison=comparison, simulated=simulated)


def run_of(bundle: Bundle, plan: UpdatePlan) -> Run:
    """Return the run that a bundle was exported from.

    Raises:
        InputError: the folder is none, or of another training.
    """
    origin = bundle.facts["provenance"]
    if "learner" not in origin:
        message = "the bundle holds a rule, which has no weights to train"
        raise InputError(message, where=str(plan.bundle), hint="name the bundle of a trained run")
    run = load_run(plan.run, plan.data)
    identity = training_identity(run.request.scenario)
    for key, there in (("learner", run.request.learner), ("training_identity", identity)):
        if origin.get(key) != there:
            message = f"the run must be the one that {plan.bundle} was exported from; its {key} is"
            hint = "name that folder with --run: a bundle holds the actor, not what training needs"
            raise InputError(f"{message} {there}", where=str(plan.run), hint=hint)
    return run


def read_log(plan: UpdatePlan, bundle: Bundle) -> LogTable:
    """Return the newest decisions of the log of a bundle; see :class:`.DecisionLogReader`."""
    with DecisionLogReader(plan.log, bundle.version) as reader:
        rows = list(reader.rows())
    return LogTable(rows[-plan.newest :] if plan.newest is not None else rows)


def divided(samples: Samples) -> tuple[Samples, Samples]:
    """Return the decisions to learn from, and the newest ones that judge."""
    count = len(samples.rows)
    old = np.arange(count) < round((1.0 - HELD_OUT) * count)
    return samples.only(old), samples.only(~old)


def retrained(
    plan: UpdatePlan, bundle: Bundle, run: Run, scenario: AnyScenario, on_share: OnShare
) -> Subject:
    """Train in a scenario from the weights of a bundle's run; return the policy that came of it.

    Raises:
        InputError: the learner cannot begin with earlier weights, or the folder holds another run.
    """
    seed = int(bundle.facts["provenance"].get("seed", 0))
    stored = read_json(plan.run / "run.json", "run")
    steps = float(plan.steps if plan.steps is not None else STEPS * run.request.steps)
    request = Request(
        scenario=scenario,
        learner=run.request.learner,
        steps=steps,
        seeds=1,
        data=plan.data or run.request.data,
        start=digest({"run": request_digest(stored), "seed": seed}),
    )

    def on_progress(done: int, fresh: int, seconds: float, reward: float) -> None:
        text = "retrain" if reward != reward else f"retrain, reward {reward:+.3f}"
        on_share(0.1 + 0.65 * min(1.0, done / steps), text)

    train(request, plan.work, on_progress, run.trainings[seed])
    return subject_of(plan.work, 0, WHOLE, plan.data)


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


def paired(candidate: Bundle, running: Bundle, setting: Setting) -> Interval:
    """Return the difference of reward on the same episodes, candidate minus running policy."""
    ours, others = (setting.rewards(whole_policy(one)) for one in (candidate, running))
    return paired_difference(ours, others)


def simulated_samples(
    bundle: Bundle, scenario: AnyScenario, learner: str, plan: UpdatePlan
) -> Samples:
    """Return decisions of a bundle in a simulated scenario, half of them drawn uniformly."""
    problem = build(scenario, plan.data)
    edge = SimulatedEdge(problem, world_of_learner(learner, problem), COPIES)
    rows = simulated_log(edge, bundle, slots=SLOTS, explore=0.5)
    return samples_of(LogTable(rows), bundle, str(plan.log))


def _exported(plan: UpdatePlan, bundle: Bundle, subject: Subject) -> Bundle:
    """Return the bundle of a retrained policy, with the rules of the old one beside it."""
    head = head_for(subject.policy, head_in(subject.problem))
    rows = rows_in(subject.problem, explorer(subject), head, subject.part.device)
    _, made = bundle_of(plan.out, subject, rows, subject.facts(), bundle.rules)
    if not bundle.interface.same_contract(made.interface):
        message = "the new policy takes or gives other fields than the running one"
        hint = "keep the sizes of the world in the scenario"
        raise InputError(message, where=str(plan.run), hint=hint)
    return made


def _stage(bundle: Bundle, sound: Samples, evidence: Evidence) -> dict[str, Any]:
    """Return what the manifest records of an update."""
    rows = sound.table.rows
    return {
        "stage": UPDATE,
        "from": bundle.version,
        "log": {
            "decisions": len(rows),
            "first_at": rows[0].at,
            "last_at": rows[-1].at,
            "sha256": digest([[row.id, row.reward] for row in rows]),
        },
        "calibration": evidence.calibration.changes,
        "gate": evidence.gate.facts(),
    }


__all__ = [
    "Evidence",
    "GateClosed",
    "UpdatePlan",
    "compared",
    "paired",
    "retrained",
    "update",
]
