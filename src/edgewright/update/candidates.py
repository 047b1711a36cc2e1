"""Train a candidate from the weights of a bundle's run, export it, and compare it in simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.bundle import Bundle
from edgewright.core.errors import InputError
from edgewright.core.sealed import digest, read_json
from edgewright.deploy.compression import Setting
from edgewright.deploy.export_run import bundle_of, rows_in
from edgewright.deploy.subject import WHOLE, Subject, explorer, subject_of
from edgewright.evaluation.actions import head_in
from edgewright.evaluation.statistics import Interval, paired_difference
from edgewright.export.heads import head_for
from edgewright.export.policy import whole_policy
from edgewright.scenarios.load import AnyScenario
from edgewright.training.runs import Request, Run, request_digest, train
from edgewright.update.plan import STEPS, OnShare, UpdatePlan


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


def paired(
    candidate: Bundle,
    running: Bundle,
    setting: Setting,
    policy: Callable[[Bundle], Any] = whole_policy,
) -> Interval:
    """Return the difference of reward on the same episodes, candidate minus running policy.

    Args:
        policy: how a bundle decides.
    """
    ours, others = (setting.rewards(policy(one)) for one in (candidate, running))
    return paired_difference(ours, others)


def exported(
    plan: UpdatePlan, bundle: Bundle, subject: Subject, rows: np.ndarray | None = None
) -> Bundle:
    """Return the bundle of a retrained policy, with the rules of the old one beside it.

    Args:
        rows: observations ``[n, columns]`` that show the ranges of the fields; those that its
            training meets if None.
    """
    head = head_for(subject.policy, head_in(subject.problem))
    if rows is None:
        rows = rows_in(subject.problem, explorer(subject), head, subject.part.device)
    _, made = bundle_of(plan.out, subject, rows, subject.facts(), bundle.rules)
    if not bundle.interface.same_contract(made.interface):
        message = "the new policy takes or gives other fields than the running one"
        hint = "keep the sizes of the world in the scenario"
        raise InputError(message, where=str(plan.run), hint=hint)
    return made


__all__ = ["exported", "paired", "retrained"]
