"""Claims as a file: ``claims.toml`` of a package, each row with the name of what measures it.

key, figure, text, published   what is said where, in our words, and the printed number
measure, args                  a function of the package's measures, and its arguments
low, high                      where the interval must lie; absent: no end
settings                       in which settings it is tested; absent: all
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

from edgewright.evaluation.statistics import Interval
from edgewright.studies.study import Claim, Measured, Table

Measures = Mapping[str, Callable[..., Measured]]
"""Measures by name: ``(view, **args) -> Measured``."""


def claims_in(
    package: str, known: Measures, view: Callable[[Table, str], Any], settings: Sequence[str]
) -> list[Claim]:
    """Return the claims of a package's ``claims.toml``, each in the settings it is tested in.

    Args:
        package: its name.
        known: the measures that rows may name.
        view: the table as measures see it, from the table and the setting.
        settings: those of the study.
    """
    text = (resources.files(package) / "claims.toml").read_text()

    def on_view(measure: str, setting: str, args: dict[str, Any], table: Table) -> Measured:
        return known[measure](view(table, setting), **args)

    return [
        Claim(
            key=row["key"],
            figure=row["figure"],
            text=row["text"],
            published=row["published"],
            setting=setting,
            measure=functools.partial(on_view, row["measure"], setting, row["args"]),
            region=(row.get("low", -math.inf), row.get("high", math.inf)),
        )
        for row in tomllib.loads(text)["claim"]
        for setting in row.get("settings", settings)
    ]


def measured(
    found: Interval, says: str, seeds: int, unit: str = "", *, why_not: str = ""
) -> Measured:
    """Return an interval as a claim's number."""
    return Measured(found.estimate, found.low, found.high, says, seeds, unit, why_not=why_not)
