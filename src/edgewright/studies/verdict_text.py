"""Write verdicts as text, with intervals, counts, and claims beside their settings."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from edgewright.studies.claim import STATUSES, Verdict

READING = (
    "A claim is reproduced where the whole 95 % interval of what was measured lies where the claim "
    "says; otherwise it is not reproduced, which may also mean that it was not shown with so many "
    "seeds (the reason says which). It is not comparable where the published number has no meaning "
    "of its own. Many claims are judged, and no correction is made for their number."
)


@dataclasses.dataclass(frozen=True)
class Occasion:
    """When and how a study was run."""

    command: str
    seconds: float
    facts: dict[str, str]


def number(verdict: Verdict) -> str:
    """Return a verdict's number with its interval and unit, e.g. ``"0.12 [0.10, 0.14] s"``."""
    if verdict.measured is None:
        return "\N{EN DASH}"
    parts = [_shown(x) for x in (verdict.measured, verdict.low, verdict.high)]
    text = parts[0] if verdict.low is None else f"{parts[0]} [{parts[1]}, {parts[2]}]"
    return f"{text} {verdict.unit}".rstrip()


def _shown(value: float | None) -> str:
    if value is None:
        return "\N{EN DASH}"
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def side_by_side(verdicts: Sequence[Verdict]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the settings, and one row for each claim with a verdict in each setting."""
    settings = list(dict.fromkeys(v.setting for v in verdicts))
    rows: dict[str, dict[str, Any]] = {}
    for v in verdicts:
        first = {"figure": v.figure, "claim": v.text, "published": v.published}
        rows.setdefault(v.claim, first)[v.setting] = v
    return settings, list(rows.values())


def summary(verdicts: Sequence[Verdict]) -> list[str]:
    """Return a sentence for each setting."""
    sentences = []
    for setting in dict.fromkeys(v.setting for v in verdicts):
        counts = Counter(v.status for v in verdicts if v.setting == setting)
        total = sum(counts.values())
        parts = ", ".join(f"{counts[status]} {status}" for status in STATUSES)
        sentences.append(f"In the setting '{setting}', of {total} claims: {parts}.")
    return sentences
