"""The claims of ``claims.toml``, each with greedy rounding and with search in both presets."""

from __future__ import annotations

from edgewright.papers.mrl import measures
from edgewright.papers.mrl.measures import SETTINGS, View
from edgewright.studies.claim import Claim
from edgewright.studies.claims_file import Measures, claims_in
from edgewright.studies.job import Plan

MEASURES: Measures = {
    "level": measures.level,
    "lead": measures.lead,
    "delay_lead": measures.delay_lead,
    "after_switches": measures.after_switches,
}


def claims(plan: Plan) -> list[Claim]:
    """Return all claims: the same for every plan."""
    return claims_in("edgewright.papers.mrl", MEASURES, View, SETTINGS)
