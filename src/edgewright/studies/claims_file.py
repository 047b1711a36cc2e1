"""Read the claims of a study from the file ``claims.toml`` of its package.

key, figure, text, published   where the paper states the claim, in our words, and its number
measure, args                  name of the measuring function, and its arguments
low, high                      ends of the region where the interval must lie; absent: no end
settings                       settings that the claim is tested in; absent: all
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

from edgewright.core import renamed
from edgewright.core.errors import InputError
from edgewright.studies.claim import Claim, Measured
from edgewright.studies.table import Table

Measures = Mapping[str, Callable[..., Measured]]
"""Measuring functions ``(view, **args) -> Measured`` by name."""


def claims_in(
    package: str,
    measures: Measures,
    view: Callable[[Table, str], Any],
    settings: Sequence[str],
    is_measured: Callable[[Mapping[str, Any], str], bool] = lambda args, setting: True,
) -> list[Claim]:
    """Return one claim for each row of ``claims.toml`` and each setting that the row names.

    Args:
        package: name of the package that holds the file.
        measures: measuring functions that the rows may name.
        view: makes the argument of a measuring function from the table and the setting.
        settings: all settings of the study.
        is_measured: takes the arguments of a row and a setting, and returns whether the plan
            measures what the claim needs; other claims are left out.

    Raises:
        InputError: a row names a setting that the study does not have.
    """
    rows = tomllib.loads((resources.files(package) / "claims.toml").read_text(encoding="utf-8"))[
        "claim"
    ]
    for row in rows:
        for setting in row.get("settings", ()):
            if setting not in settings:
                message = f"the study has no setting '{setting}'"
                where = f"claims.toml of {package}, claim '{row['key']}'"
                raise InputError(message, where=where, hint=renamed.hint(setting, settings))

    def on_view(measure: str, setting: str, args: dict[str, Any], table: Table) -> Measured:
        return measures[measure](view(table, setting), **args)

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
        for row in rows
        for setting in row.get("settings", settings)
        if is_measured(row["args"], setting)
    ]
