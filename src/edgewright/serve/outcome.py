"""Read what a client reports of a decision."""

from __future__ import annotations

import math
import re
from typing import Any

from edgewright.serve.decider import cut, refused_fields
from edgewright.serve.openapi import ID_PATTERN

_ID = re.compile(ID_PATTERN)
KEYS = ("decision", "reward", "metrics")


def read_outcome(content: dict[str, Any]) -> tuple[str, float, dict[str, float]]:
    """Return the decision, the reward and the metrics of a report.

    Raises:
        HTTPError: a field is missing, unknown or of another kind; all such fields are named.
    """
    decision, reward = content.get("decision"), content.get("reward")
    metrics = content.get("metrics", {})
    wrong = [(cut(key), "unknown field") for key in sorted(set(content) - set(KEYS))]
    if not isinstance(decision, str) or not _ID.fullmatch(decision):
        wrong.append(("decision", "not the id of a decision"))
    if not _is_number(reward):
        wrong.append(("reward", "not a number"))
    if not isinstance(metrics, dict):
        wrong.append(("metrics", "not an object of numbers"))
        metrics = {}
    wrong += [
        (f"metrics.{cut(key)}", "not a number")
        for key, value in metrics.items()
        if not _is_number(value)
    ]
    if wrong:
        raise refused_fields([{"problem": problem, "field": field} for field, problem in wrong])
    return str(decision), float(reward), metrics  # pyright: ignore[reportArgumentType]


def _is_number(value: object) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)  # pyright: ignore[reportArgumentType]
    except OverflowError:
        return False
