"""Export all seeds of a run as one network that decides like their mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.bundle.bundle import save
from edgewright.core.errors import InputError
from edgewright.core.protocols import PerAgentPolicy
from edgewright.deploy.distil_seeds import ROUNDS, distil_seeds
from edgewright.deploy.export_amortised import ENDS, AmortisedExport, compared, setting_for
from edgewright.deploy.export_run import bundle_of, rows_in
from edgewright.deploy.gain import check_gain, check_gain_kept
from edgewright.deploy.subject import WHOLE, Subject, planners, subject_of
from edgewright.evaluation.actions import head_in
from edgewright.export.heads import head_for

PHASES = ROUNDS + 2
"""Pieces of work that progress names."""


def export_distilled(
    folder: Path,
    out: Path,
    widths: tuple[int, ...],
    *,
    min_gain_kept: float | None = None,
    data: str | None = None,
    on_progress: Callable[[str], None] = lambda name: None,
) -> AmortisedExport:
    """Distil the mean of a run's seeds and write it, unless it keeps too little of their gain.

    Args:
        widths: of the hidden layers of the network.
        min_gain_kept: the share of the mean's gain over the baseline that must be kept.

    Returns:
        the bundle, the gate, and ``facts``: ``agreement`` by round, mean rewards per slot of the
        network (``reward``), of the mean (``teacher_reward``) and of each seed (``seed_rewards``)
        on the evaluation episodes, and how the network compares to the mean.

    Raises:
        InputError: the run has one seed, tasks, planners or a policy for each device, or the mean
            gains nothing.
    """
    subject = subject_of(folder, 0, WHOLE, data)
    policies = networks_of(subject)
    setting, head = setting_for(subject), head_for(policies[0], head_in(subject.problem))
    made = distil_seeds(subject.problem, policies, head, widths, on_progress=on_progress)
    if min_gain_kept is not None:
        check_gain([made.teacher], setting)
    on_progress("play all on the same episodes")
    scores = compared(made.teacher, made.student, setting)
    gate = None if min_gain_kept is None else check_gain_kept([scores], min_gain_kept)
    scores["teacher_reward"] = scores.pop("planner_reward")
    singles = [float(np.mean(setting.rewards(policy))) for policy in policies]
    on_progress("write")
    facts = subject.facts()
    ratio = {name: scores[f"score_ratio{end}"] for name, end in ENDS.items()}
    facts["scores"] = {"score_ratio": ratio} if np.isfinite(ratio["low"]) else {}
    stage = f"distil:{'x'.join(map(str, widths))} of {len(policies)} seeds"
    facts["lineage"] = [{"stage": stage, "from": facts["name"]}]
    facts["provenance"]["seeds"] = len(policies)
    facts["name"] = facts["name"].replace(", seed 0", f", {len(policies)} seeds distilled")
    rows = np.concatenate([rows_in(subject.problem, None, head), made.rows])
    content, bundle = bundle_of(out, dataclasses.replace(subject, policy=made.student), rows, facts)
    if gate is None or gate["passed"]:
        save(out, content)
    measured = {"agreement": made.agreement, **scores, "seed_rewards": singles}
    return AmortisedExport(bundle, measured, gate)


def networks_of(subject: Subject) -> list[Any]:
    """Return the greedy policies of all seeds.

    Raises:
        InputError: there is one seed, or they are not plain networks that serve all devices.
    """
    run = subject.run
    if subject.problem.tasks is not None or subject.task is not None:
        reason = "the run has tasks, and a network may serve one of them only"
    elif planners(subject.policy):
        reason = "the run has a planner; --amortise makes a network of it"
    elif isinstance(subject.policy, PerAgentPolicy):
        reason = "the run has a policy for each device"
    elif len(run.trainings) < 2:
        reason = "the run has one seed, so that there is no mean"
    else:
        return [run.trainer.deployable(one, None).greedy for one in run.trainings]
    message = f"must be given a run of several seeds of one network: {reason}"
    hint = "leave --distil out, or train with --seeds 3 or more"
    raise InputError(message, where="--distil", hint=hint)


__all__ = ["PHASES", "export_distilled", "networks_of"]
