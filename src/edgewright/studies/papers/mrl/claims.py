"""The claims of ``claims.toml``, each with rounded and with priced proposals in both presets."""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Callable
from importlib import resources
from typing import Any

from edgewright.studies.papers.mrl import measures
from edgewright.studies.papers.mrl.measures import SETTINGS, View
from edgewright.studies.study import Claim, Measured, Plan, Table

MEASURES: dict[str, Callable[..., Measured]] = {
    "level": measures.level,
    "lead": measures.lead,
    "closest_lead": measures.closest_lead,
    "delay_lead": measures.delay_lead,
    "after_switches": measures.after_switches,
}


def claims(plan: Plan) -> list[Claim]:
    """Return all claims: the same for every plan."""
    text = (resources.files("edgewright.studies.papers.mrl") / "claims.toml").read_text()
    return [
        Claim(
            key=row["key"],
            figure=row["figure"],
            text=row["text"],
            published=row["published"],
            setting=setting,
            measure=functools.partial(_measure, MEASURES[row["measure"]], setting, row["args"]),
            region=(row.get("low", -math.inf), row.get("high", math.inf)),
        )
        for row in tomllib.loads(text)["claim"]
        for setting in SETTINGS
    ]


def _measure(
    function: Callable[..., Measured], setting: str, args: dict[str, Any], table: Table
) -> Measured:
    return function(View(table, setting), **args)
