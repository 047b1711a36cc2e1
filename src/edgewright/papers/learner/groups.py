"""Measure groups of trainings by their mean, their best network and a student of the mean.

No training is in two groups, so that the results of groups are independent samples.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgewright.deploy.distil_seeds import distil_seeds
from edgewright.evaluation.actions import head_in
from edgewright.evaluation.trained import seeds_of
from edgewright.evaluation.validation import training_rewards
from edgewright.export.heads import head_for
from edgewright.papers.learner.population import together
from edgewright.papers.learner.worlds import GROUP, LONGER, OURS
from edgewright.scenarios.build import build
from edgewright.scenarios.load import check
from edgewright.studies.job import JobContext, JobResult
from edgewright.studies.setup import episodes
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import load_run

WIDTHS = (64, 64)
"""Hidden layers of a student: those of every actor of the study."""

STUDENT, STUDENT_LONGER = "student of three", "student of three longer ones"
BEST, BEST_LONGER = "best of three", "best of three longer ones"
MEAN, MEAN_LONGER = "mean of three", "mean of three longer ones"
"""Names of the arms. Three of :data:`OURS` have nearly as many steps together as one of
:data:`LONGER`. There is one such group for each seed of the plan, and of longer ones as many as its
seeds make."""

TEN, STUDENT_TEN = "all", "student of all longer ones"
"""All seeds of :data:`LONGER` as one group, and the arm that is made of it."""

GROUPED = {
    OURS: {"student": STUDENT, "best": BEST, "mean": MEAN},
    LONGER: {"student": STUDENT_LONGER, "best": BEST_LONGER, "mean": MEAN_LONGER},
    TEN: {"student": STUDENT_TEN},
}
"""Arms by what is grouped, a training or :data:`TEN`, and by their array in the job's result."""


IN_WORLDS = {"heavy": (OURS, LONGER, TEN), "light": (LONGER, TEN), "trace": (LONGER, TEN)}
"""What is grouped in each world."""

ARMS = tuple(arm for arms in GROUPED.values() for arm in arms.values())
"""All arms that are made of groups."""


def arms_in(world: str) -> tuple[str, ...]:
    """Return the arms of a world that are made of groups."""
    return tuple(arm for name in IN_WORLDS.get(world, ()) for arm in GROUPED[name].values())


def grouped(
    context: JobContext, arms: list[str], scenario: dict[str, Any], size: int = GROUP
) -> JobResult:
    """Measure what groups of trainings reach.

    Args:
        context: folders of the needed jobs, ``arms`` among them.
        arms: key of a training, and perhaps of its further seeds. Then a group is a seed of the
            first and ``size - 1`` of the second one, and else ``size`` consecutive seeds.
        scenario: the checked scenario as plain data.
        size: of a group.

    Returns:
        ``"groups/student"``, ``"groups/best"`` and ``"groups/mean"`` ``[groups, episodes]``: the
        rewards per slot of the student of the group's mean, of its training that earns most on
        episodes of the training inputs, and of the mean of its probabilities.
    """
    checked = check(scenario, arms[0])
    problem = build(checked, context.data)
    entries = [seeds_of(load_run(context.folders[arm], context.data), problem) for arm in arms]
    groups = groups_of(size, *entries)
    own = dataclasses.replace(problem, world=entries[0][0].world)
    best, mean, students, same = [], [], [], []
    for seed, group in enumerate(groups):
        validation = training_rewards(group, problem, checked.evaluation)
        best.append(group[int(np.argmax(validation))])
        mean.append(together(group))
        policies = [one.policy for one in group]
        head = head_for(policies[0], head_in(own))
        made = distil_seeds(own, policies, head, WIDTHS, seed=seed)
        same.append(made.agreement)
        students.append(PolicyEntry.learned("student", made.student, own.world))
        context.on_progress((seed + 1) / (len(groups) + 1))
    arrays = {
        f"groups/{name}": episodes(those, checked, context.data)["episodes/reward"]
        for name, those in (("student", students), ("best", best), ("mean", mean))
    }
    return JobResult(arrays, {"labels": {}, "agreement": same})


def groups_of(
    size: int, first: list[PolicyEntry], others: list[PolicyEntry] | None = None
) -> list[list[PolicyEntry]]:
    """Return disjoint groups of policies, those of the first list each in one of its own."""
    if others is None:
        ends = range(size, len(first) + 1, size)
        return [first[end - size : end] for end in ends]
    more = size - 1
    return [[one, *others[more * k : more * (k + 1)]] for k, one in enumerate(first)]


__all__ = ["ARMS", "BEST", "BEST_LONGER", "GROUPED", "IN_WORLDS", "MEAN", "MEAN_LONGER", "STUDENT"]
__all__ += ["STUDENT_LONGER", "STUDENT_TEN", "TEN", "WIDTHS", "arms_in", "grouped", "groups_of"]
