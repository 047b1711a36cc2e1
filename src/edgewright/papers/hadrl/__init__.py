"""Study HADRL's abstract as claims, with and without the loopholes of the published code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewright.papers.hadrl.figures import drawings
from edgewright.papers.hadrl.jobs import jobs
from edgewright.papers.hadrl.measures import MEASURES
from edgewright.papers.hadrl.page import notes, sections
from edgewright.papers.hadrl.view import BEST_RULE, SETTINGS, View
from edgewright.papers.hadrl.worlds import worlds_in
from edgewright.studies.claim import Claim
from edgewright.studies.claims_file import claims_in
from edgewright.studies.job import Plan
from edgewright.studies.study import Study


def claims(plan: Plan) -> list[Claim]:
    """Return the claims whose policies the plan measures; the quick one leaves out ablations."""
    keys = [job.key for job in jobs(plan)]

    def is_measured(args: Mapping[str, Any], setting: str) -> bool:
        named = [args["ours"], *args.get("others", ()), args.get("other", args["ours"])]
        worlds = (
            [world for _, world in worlds_in(args["over"], keys)] if "over" in args else [setting]
        )
        wanted = {f"{world}/{name}" for world in worlds for name in named if name != BEST_RULE}
        return bool(worlds) and wanted.issubset(keys)

    return claims_in(__name__, MEASURES, View, SETTINGS, is_measured)


STUDY = Study(
    name="hadrl",
    title="HADRL: what holds of active inference for caching and offloading",
    source=(
        "The abstract of HADRL (doi 10.1109/JIOT.2026.3695862) says that it beats the benchmarks "
        "in hit ratio and in mean latency. No number of the paper is known to us. All other claims "
        "are our own expectations, and a verdict says whether they held."
    ),
    full=Plan(quick=False, seeds=10, steps=4800),
    quick=Plan(quick=True, seeds=2, steps=600),
    jobs=jobs,
    claims=claims,
    figures=drawings,
    sections=sections,
    notes=notes,
    axes={
        "episodes": ("seed", "episode"),
        "curves": ("seed", "mark"),
        "speed": ("seed", "repeat"),
    },
    data=True,
)
