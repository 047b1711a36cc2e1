"""Study deep Q-learning on many devices that exchange gradients, parameters, data or nothing."""

from __future__ import annotations

from edgewright.papers.edge_dqn.jobs import jobs
from edgewright.papers.edge_dqn.measures import MEASURES, View
from edgewright.papers.edge_dqn.page import drawings, notes, sections
from edgewright.studies.claim import Claim
from edgewright.studies.claims_file import claims_in
from edgewright.studies.job import Plan
from edgewright.studies.study import Study


def claims(plan: Plan) -> list[Claim]:
    """Return all claims."""
    return claims_in(__name__, MEASURES, View, ("aigc-fleet",))


STUDY = Study(
    name="edge-dqn",
    title="Edge deep Q-learning: what exchange buys and costs",
    source=(
        "Sixteen devices that train one learner each, and exchange gradients, changes of "
        "parameters, transitions or nothing. The source states no number; the expectations are "
        "ours."
    ),
    full=Plan(quick=False, seeds=10, steps=1e5),
    quick=Plan(quick=True, seeds=2, steps=4096),
    jobs=jobs,
    claims=claims,
    figures=drawings,
    sections=sections,
    notes=notes,
    axes={
        "episodes": ("seed", "episode"),
        "curves": ("seed", "mark"),
        "exchange": ("seed", "number"),
    },
    data=True,
)
