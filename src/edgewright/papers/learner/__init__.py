"""Study what exact advantages on the same inputs are worth, beside rules, planner and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewright.papers.learner.figures import drawings
from edgewright.papers.learner.groups import arms_in
from edgewright.papers.learner.jobs import jobs
from edgewright.papers.learner.measures import MEASURES
from edgewright.papers.learner.page import notes, sections
from edgewright.papers.learner.view import View
from edgewright.papers.learner.worlds import WORLDS, learners, moved, rules, worlds
from edgewright.studies.claim import Claim
from edgewright.studies.claims_file import claims_in
from edgewright.studies.job import Plan
from edgewright.studies.study import Study


def claims(plan: Plan) -> list[Claim]:
    """Return the claims whose worlds and policies a plan has."""

    def is_measured(args: Mapping[str, Any], world: str) -> bool:
        if world not in worlds(plan):
            return False
        named = {*learners(plan, world), *rules(plan, world), *moved(plan, world)}
        named |= set() if plan.quick else {*arms_in(world)}
        return {args["ours"], args.get("other", "random")} <= named

    return claims_in(__name__, MEASURES, View, tuple(WORLDS), is_measured)


STUDY = Study(
    name="learner",
    title="Exact advantages on the same inputs",
    source=(
        "Learners with the same features, networks of the actor and steps, beside a rule with two "
        "prices, planners and an upper bound. No paper has this experiment; the expectations are "
        "ours."
    ),
    full=Plan(quick=False, seeds=10, steps=3e5),
    quick=Plan(quick=True, seeds=2, steps=2e4),
    jobs=jobs,
    claims=claims,
    figures=drawings,
    sections=sections,
    notes=notes,
    axes={
        "episodes": ("seed", "episode"),
        "curves": ("seed", "mark"),
        "parts": ("seed", "episode", "mode", "load"),
        "chosen": ("one", "episode"),
        "together": ("one", "episode"),
        "groups": ("seed", "episode"),
    },
    data=True,
)
