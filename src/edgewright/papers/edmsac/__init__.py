"""Study EDMSAC's abstract as claims, with a computable ceiling for its 23 %."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewright.papers.edmsac.figures import drawings
from edgewright.papers.edmsac.jobs import jobs
from edgewright.papers.edmsac.measures import MEASURES
from edgewright.papers.edmsac.page import notes, sections
from edgewright.papers.edmsac.view import SETTINGS, View
from edgewright.studies.claim import Claim
from edgewright.studies.claims_file import claims_in
from edgewright.studies.job import Plan
from edgewright.studies.study import Study


def claims(plan: Plan) -> list[Claim]:
    """Return the claims whose learners the plan measures."""
    keys = {job.key for job in jobs(plan)}

    def is_measured(args: Mapping[str, Any], setting: str) -> bool:
        named = [args[name] for name in ("ours", "other") if name in args]
        return all(f"{setting}/{name}" in keys for name in named)

    return claims_in(__name__, MEASURES, View, SETTINGS, is_measured)


STUDY = Study(
    name="edmsac",
    title="EDMSAC: what holds of a pruned diffusion actor for dynamic contracts",
    source=(
        "The abstract of EDMSAC (arXiv 2504.14326, version 2) says that pruning the actor of a "
        "diffusion SAC improves the generation of dynamic contracts by up to 23 %. The body of the "
        "paper is not public. All other claims are our own expectations."
    ),
    full=Plan(quick=False, seeds=10, steps=20_000),
    quick=Plan(quick=True, seeds=2, steps=4000),
    jobs=jobs,
    claims=claims,
    figures=drawings,
    sections=sections,
    notes=notes,
    axes={
        "episodes": ("seed", "episode"),
        "curves": ("seed", "mark"),
        "actor": ("seed", "actor"),
        "duration": ("seed", "repeat"),
        "profit": ("seed", "persistence"),
        "first": ("seed", "item", "type"),
        "second": ("seed", "row", "type", "item"),
    },
)
