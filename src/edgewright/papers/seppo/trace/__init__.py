"""Study which learners of SE-PPO generalise from synthetic to recorded inputs."""

from __future__ import annotations

from edgewright.papers.seppo.claims import MEASURES
from edgewright.papers.seppo.trace.jobs import jobs
from edgewright.papers.seppo.trace.page import drawings, generalises, notes, sections
from edgewright.papers.seppo.view import SETTINGS, View
from edgewright.studies.claim import Claim
from edgewright.studies.claims_file import claims_in
from edgewright.studies.job import Plan
from edgewright.studies.study import Study


def claims(plan: Plan) -> list[Claim]:
    """Return all claims: the same for every plan."""
    return claims_in(__name__, {**MEASURES, "generalises": generalises}, View, SETTINGS)


STUDY = Study(
    name="seppo-trace",
    title="SE-PPO on recorded inputs: who generalises",
    source=(
        "Learners of the SE-PPO study trained on synthetic, calibrated and recorded inputs, judged "
        "on held-out recordings. The paper has no such experiment; the expectations are ours."
    ),
    full=Plan(quick=False, seeds=10, steps=3e5),
    quick=Plan(quick=True, seeds=2, steps=4e4),
    jobs=jobs,
    claims=claims,
    figures=drawings,
    sections=sections,
    notes=notes,
    axes={
        "episodes": ("seed", "episode"),
        "curves": ("seed", "mark"),
    },
    data=True,
)
