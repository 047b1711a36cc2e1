"""The claims of ``claims.toml``, each in the settings it is tested in."""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from edgewright.studies.papers.seppo import behaviours, curves, measures
from edgewright.studies.papers.seppo.view import SETTINGS, View
from edgewright.studies.study import Claim, Measured, Plan, Table

MEASURES: dict[str, Callable[..., Measured]] = {
    "lead": measures.lead,
    "relative": measures.relative,
    "score_ratio": measures.score_ratio,
    "percent_of_reward": measures.percent_of_reward,
    "sweep_lead": measures.sweep_lead,
    "growth": measures.growth,
    "contribution": measures.contribution,
    "way": measures.way,
    "gap": measures.gap,
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


def claims_of(package: str, known: Mapping[str, Callable[..., Measured]]) -> list[Claim]:
    """Return the claims that a package holds as ``claims.toml``; ``measure`` names one of known."""
    text = (resources.files(package) / "claims.toml").read_text()
    return [
        Claim(
            key=row["key"],
            figure=row["figure"],
            text=row["text"],
            published=row["published"],
            setting=setting,
            measure=functools.partial(_measure, known[row["measure"]], setting, row["args"]),
            region=(row.get("low", -math.inf), row.get("high", math.inf)),
        )
        for row in tomllib.loads(text)["claim"]
        for setting in row.get("settings", SETTINGS)
    ]


def claims(plan: Plan) -> list[Claim]:
    """Return all claims: the same for every plan."""
    return claims_of("edgewright.studies.papers.seppo", MEASURES)


def _measure(
    function: Callable[..., Measured], setting: str, args: dict[str, Any], table: Table
) -> Measured:
    return function(View(table, setting), **args)
