"""Compare the rewards of policies with their bounds in a scenario, on the same episodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from edgewright.evaluation.statistics import mean_interval

Kind = Literal["feasible", "hindsight", "exact", "bound"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """The mean reward of a policy, plan or bound over episodes, with a 95 % interval."""

    name: str
    kind: Kind
    values: np.ndarray  # [E]
    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """Return name, kind, number of episodes, mean and interval as plain data."""
        numbers = {"mean": self.mean, "low": self.low, "high": self.high}
        return {"name": self.name, "kind": self.kind, "episodes": self.values.size, **numbers}


@dataclasses.dataclass(frozen=True)
class ScenarioBounds:
    """All entries of one scenario by name."""

    scenario: str
    entries: dict[str, Entry]

    @property
    def reached(self) -> float:
        """Return the highest mean of a policy or plan."""
        return max(e.mean for e in self.entries.values() if e.kind != "bound")

    @property
    def limit(self) -> float:
        """Return the lowest mean of a bound."""
        return min(e.mean for e in self.entries.values() if e.kind == "bound")

    def as_dict(self) -> dict[str, Any]:
        """Return the scenario, what is reached, the limit and the entries as plain data."""
        entries = [entry.as_dict() for entry in self.entries.values()]
        ends = {"reached": self.reached, "limit": self.limit}
        return {"scenario": self.scenario, **ends, "entries": entries}


def entry(name: str, kind: Kind, values: Any) -> Entry:
    """Return the entry of the rewards ``values`` of episodes, ``[E]``."""
    values = np.asarray(values)
    interval = mean_interval(values)
    return Entry(name, kind, values, interval.estimate, interval.low, interval.high)


def summary(rows: Sequence[ScenarioBounds]) -> dict[str, Any]:
    """Return the content of ``result.json`` of ``edgewright bounds``."""
    return {"scenarios": [row.as_dict() for row in rows]}
