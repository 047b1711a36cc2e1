"""Study what training with one device misses when all devices use the policy at once."""

from __future__ import annotations

from edgewright.papers.fleet.jobs import jobs
from edgewright.papers.fleet.measures import MEASURES, View
from edgewright.papers.fleet.page import drawings, notes, sections
from edgewright.studies.claim import Claim
from edgewright.studies.claims_file import claims_in
from edgewright.studies.job import Plan
from edgewright.studies.study import Study


def claims(plan: Plan) -> list[Claim]:
    """Return all claims; the quick plan has no planner to compare with."""
    made = claims_in(__name__, MEASURES, View, ("aigc-fleet",))
    return [claim for claim in made if not (plan.quick and claim.key.endswith("planner"))]


STUDY = Study(
    name="fleet",
    title="Many devices: what training alone misses",
    source=(
        "Policies trained alone and deployed together, trained together, and trained one for each "
        "of sixteen devices. The papers have single devices; the expectations are ours."
    ),
    full=Plan(quick=False, seeds=10, steps=1e5),
    quick=Plan(quick=True, seeds=2, steps=2e4),
    jobs=jobs,
    claims=claims,
    figures=drawings,
    sections=sections,
    notes=notes,
    axes={"episodes": ("seed", "episode"), "curves": ("seed", "mark")},
)
