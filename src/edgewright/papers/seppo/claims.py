"""The claims of ``claims.toml``, each in the settings it is tested in."""

from __future__ import annotations

from edgewright.papers.seppo import behaviours, curves, measures, sweeps
from edgewright.papers.seppo.view import SETTINGS, View
from edgewright.studies.claim import Claim
from edgewright.studies.claims_file import Measures, claims_in
from edgewright.studies.job import Plan

MEASURES: Measures = {
    "lead": measures.lead,
    "relative": measures.relative,
    "score_ratio": measures.score_ratio,
    "percent_of_reward": measures.percent_of_reward,
    "sweep_lead": sweeps.sweep_lead,
    "growth": sweeps.growth,
    "contribution": measures.contribution,
    "way": measures.way,
    "unbeaten": measures.unbeaten,
    "next_to": sweeps.next_to,
    "sweep_wobble": sweeps.sweep_wobble,
    "curve_lead": curves.curve_lead,
    "steady": curves.steady,
    "mode_order": behaviours.mode_order,
    "most_share": behaviours.most_share,
    "share": behaviours.share,
    "share_rise": behaviours.share_rise,
    "share_lead": behaviours.share_lead,
    "saving": behaviours.saving,
    "rise_in_episode": behaviours.rise_in_episode,
    "life": behaviours.life,
}


def claims(plan: Plan) -> list[Claim]:
    """Return all claims: the same for every plan."""
    return claims_in("edgewright.papers.seppo", MEASURES, View, SETTINGS)
