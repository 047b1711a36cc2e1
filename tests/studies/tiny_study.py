"""A study of seconds: two arms, two seeds. Imported by name, here and in spawned workers."""

from __future__ import annotations

import os
import signal

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap
from edgewright.reporting import html
from edgewright.reporting.figures import comparison
from edgewright.reporting.plot_data import Row
from edgewright.studies.claim import Claim, Measured
from edgewright.studies.job import FunctionJob, JobContext, JobResult, Plan
from edgewright.studies.jobs import (
    BoundJob,
    HyperparameterSelection,
    Rule,
    TrainingJob,
    TransferJob,
)
from edgewright.studies.setup import Setup
from edgewright.studies.study import Study

SMALL = {
    "evaluation.episodes": 4,
    "params.horizon_slots": 20,
    "evaluation.reference": "rollout-2",
    "learner.rollout_steps": 16,
    "learner.epochs": 2,
}


def add(context: JobContext, a: int, b: int) -> JobResult:
    """Return a sum."""
    return JobResult({"sum/x": np.array([[a + b]])}, {"a": a})


def double(context: JobContext, of: str) -> JobResult:
    """Return twice what another job found."""
    return JobResult({"sum/x": 2 * context.results[of].arrays["sum/x"]})


def data_folder(context: JobContext) -> JobResult:
    """Return the folder of recordings as a fact."""
    return JobResult({}, {"data": context.data})


def fail(context: JobContext) -> JobResult:
    """Fail as code does."""
    raise ZeroDivisionError("on purpose")


def die_once(context: JobContext) -> JobResult:
    """Kill this process the first time."""
    marker = context.folder / "was-here"
    if not marker.exists():
        context.folder.mkdir(parents=True)
        marker.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return JobResult({"sum/x": np.array([[1.0]])})


def die_always(context: JobContext) -> JobResult:
    """Kill this process every time."""
    os.kill(os.getpid(), signal.SIGKILL)
    return JobResult({})


def jobs(plan: Plan) -> list:
    """Return two arms, one of which takes its rate from a choice, a transfer and two rules."""
    setup = Setup("aigc-heavy", SMALL)
    slow = Setup("aigc-heavy", {**SMALL, "learner.actor_learning_rate": 1e-5})
    rate = {"actor_learning_rate": 1e-3}
    return [
        TrainingJob("a", setup, "se-ppo", plan.steps, plan.seeds, "one"),
        TrainingJob("tried", slow, "se-ppo", plan.steps, 1, first_seed=7),
        HyperparameterSelection("choice", (("tried", rate),)),
        TrainingJob("b", setup, "se-ppo", plan.steps, plan.seeds, "two", rates_from="choice"),
        TransferJob("a-elsewhere", "a", Setup("aigc-calibrated", SMALL)),
        Rule("random", setup, "random"),
        BoundJob("bound", setup),
        FunctionJob("sum", add, {"a": 1, "b": 2}),
    ]


def below_bound(table) -> Measured:
    """Measure how far an arm is below the bound."""
    arms = {k: {"x": table.array(k, "episodes/reward")} for k in ("a", "bound")}
    found = joint_bootstrap(arms, lambda m: m["bound"]["x"] - m["a"]["x"])
    return Measured(found.estimate, found.low, found.high, "bound less a", 2)


def drawings(table) -> dict:
    """Return one figure."""
    rows = [Row("a", "learned", 1.0, 0.5, 1.5)]
    return {"one": ("One dot.", comparison(rows, xlabel="reward (no unit)"))}


STUDY = Study(
    name="tiny",
    title="A tiny study",
    source="Nothing.",
    full=Plan(False, 2, 2e3),
    quick=Plan(True, 2, 1e3),
    jobs=jobs,
    claims=lambda plan: [
        Claim("bound", "1", "a is below the bound", "below", "one", below_bound, (0, np.inf)),
        Claim("bound", "1", "a is below the bound", "below", "two", below_bound, (-np.inf, 0)),
    ],
    figures=drawings,
    sections=lambda table: [html.Section("More", ["Words."])],
    notes=lambda table: ["A note."],
    axes={
        "episodes": ("seed", "episode"),
        "curves": ("seed", "mark"),
        "sum": ("row", "column"),
    },
)
