"""Export a run with a planner as a network that decides like it, and say what that costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.bundle import Bundle
from edgewright.bundle.bundle import save
from edgewright.core.errors import InputError
from edgewright.deploy.amortise import DECISIONS, ROUNDS, amortise
from edgewright.deploy.compression import Setting
from edgewright.deploy.export_run import bundle_of, rows_in
from edgewright.deploy.gain import check_gain, check_gain_kept, share_kept
from edgewright.deploy.latency import measure
from edgewright.deploy.subject import WHOLE, Part, Subject, planners, subject_of
from edgewright.evaluation.actions import head_in
from edgewright.evaluation.decision_time import decision_ms
from edgewright.evaluation.statistics import paired_difference
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import evaluation_inputs

PHASES = ROUNDS + 2
"""Pieces of work that progress names."""


@dataclasses.dataclass(frozen=True)
class AmortisedExport:
    """A bundle with a network in the place of a planner.

    Attributes:
        facts: ``rounds`` of the distillation, scores on the same episodes, and times.
        gate: see :func:`edgewright.deploy.gain.check_gain_kept`; None if nothing is asked for.
    """

    bundle: Bundle
    facts: dict[str, Any]
    gate: dict[str, Any] | None

    @property
    def passed(self) -> bool:
        """Return whether the file was written."""
        return self.gate is None or self.gate["passed"]


def export_amortised(
    folder: Path,
    out: Path,
    *,
    seed: int = 0,
    part: Part = WHOLE,
    decisions: int = DECISIONS,
    min_gain_kept: float | None = None,
    data: str | None = None,
    on_progress: Callable[[str], None] = lambda name: None,
) -> AmortisedExport:
    """Distil the planner of a run and write the result, unless it keeps too little of the gain.

    Args:
        part: which policy, where the run has several; with a level, that level alone is written.
        decisions: of the planner to learn from.
        min_gain_kept: the share of the planner's gain over the baseline that must be kept.

    Raises:
        InputError: the policy does not exist, has no planner, or its planner gains nothing.
    """
    subject = subject_of(folder, seed, part, data)
    searching = planners(subject.policy)
    if not searching or (part.level is not None and part.level not in searching):
        message = "the option is for planners, and this run has networks, which export as they are"
        raise InputError(message, where="--amortise", hint="leave the option out")
    setting = setting_for(subject)
    if min_gain_kept is not None:
        check_gain([subject.policy], setting)
    made = amortise(subject.problem, subject.policy, decisions=decisions, on_progress=on_progress)
    on_progress("play both on the same episodes")
    scores = compared(subject.policy, made.policy, setting)
    gate = None if min_gain_kept is None else check_gain_kept([scores], min_gain_kept)
    on_progress("write and measure")
    met = rows_in(subject.problem, None, head_in(subject.problem))
    student = dataclasses.replace(subject, policy=made.policy)
    facts = subject.facts()
    ratio = {name: scores[f"score_ratio{end}"] for name, end in ENDS.items()}
    facts["scores"] = {"score_ratio": ratio} if np.isfinite(ratio["low"]) else {}
    facts["lineage"] = [{"stage": f"amortise:{decisions}", "from": facts["name"]}]
    rows = np.concatenate([met, made.rows])
    content, bundle = bundle_of(out, student, rows, facts)
    if gate is None or gate["passed"]:
        save(out, content)
    entry = PolicyEntry.learned("", subject.policy, subject.problem.world)
    times = {
        "decision_ms": decision_of(bundle),
        "planner_decision_ms": decision_ms(entry, subject.problem),
    }
    return AmortisedExport(bundle, {"rounds": made.rounds, **scores, **times}, gate)


ENDS = {"estimate": "", "low": "_low", "high": "_high"}


def setting_for(subject: Subject) -> Setting:
    """Return the scenario, world and episodes on which both policies are judged."""
    scenario = subject.run.request.scenario
    inputs = evaluation_inputs(scenario, subject.problem)
    episodes = scenario.evaluation.episodes
    return Setting(scenario, subject.problem, subject.problem.world, inputs, episodes)


def compared(planner: Any, student: Any, setting: Setting) -> dict[str, float]:
    """Return rewards, their paired difference, and the shares of score and gain that are kept.

    The score counts from random actions, the gain from the scenario's baseline; a share is NaN
    where the planner earns no more than that in some resample of the episodes.
    """
    wanted, given = setting.rewards(planner), setting.rewards(student)
    random, base = setting.rule("random"), setting.baseline()
    return {
        "reward": float(np.mean(given)),
        "planner_reward": float(np.mean(wanted)),
        **paired_difference(given, wanted).columns("reward_change"),
        **share_kept(given, random, wanted).columns("score_ratio"),
        **share_kept(given, base, wanted).columns("gain_kept"),
    }


def decision_of(bundle: Bundle) -> float:
    """Return the milliseconds of one decision of a bundle here: the median of several rounds."""
    low, high = bundle.interface.typical()
    row = (0.5 * (low + high)).tolist()
    took = measure({"policy": lambda: bundle.engine.one(row)}, rounds=5, count=100)
    return took["policy"]["p50_us"] / 1e3


__all__ = ["PHASES", "AmortisedExport", "export_amortised"]
