"""Define what a calibration from a log reports: fits, what was left, and the gap to the log."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

CHANGED = 0.02
"""A number counts as changed if it moves by this share of its old value."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """One number or law that was fitted.

    Attributes:
        key: of the scenario, e.g. ``"params.server_ghz"``.
        before, after: the value of the scenario and the one that was fitted.
        rows: decisions that it was fitted to.
        measure: what ``goodness`` is, e.g. ``"median relative error"``; smaller is better.
    """

    key: str
    before: Any
    after: Any
    rows: int
    measure: str
    goodness: float

    @property
    def changed(self) -> bool:
        """Return whether the fit differs by more than :data:`CHANGED`."""
        return _differ(self.before, self.after)

    def facts(self) -> dict[str, Any]:
        """Return the fit as plain data."""
        return {**dataclasses.asdict(self), "changed": self.changed}


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A scenario fitted to a log.

    Attributes:
        fits: all that was fitted; they replace the values of the scenario.
        left: reason by key for all that was left as it is.
        gap: distances between what the scenario predicts for each logged decision and what was
            logged, before and after, by metric.
    """

    fits: tuple[Fit, ...]
    left: Mapping[str, str]
    gap: Mapping[str, Mapping[str, float]]

    @property
    def changes(self) -> dict[str, Any]:
        """Return the fitted values by key."""
        return {fit.key: fit.after for fit in self.fits}

    def facts(self) -> dict[str, Any]:
        """Return the calibration as plain data."""
        return {
            "fits": [fit.facts() for fit in self.fits],
            "left": dict(self.left),
            "gap": {name: dict(one) for name, one in self.gap.items()},
        }


def _differ(before: Any, after: Any) -> bool:
    """Return whether two values differ by more than :data:`CHANGED` of the first anywhere."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() != after.keys() or any(_differ(before[k], after[k]) for k in before)
    if isinstance(after, list) and isinstance(before, (int, float)):
        before = [before] * len(after)
    if isinstance(before, list) and isinstance(after, list):
        return len(before) != len(after) or any(map(_differ, before, after))
    if isinstance(before, (int, float)) and isinstance(after, (int, float)):
        return abs(after - before) > CHANGED * abs(before)
    return before != after


__all__ = ["CHANGED", "Calibration", "Fit"]
