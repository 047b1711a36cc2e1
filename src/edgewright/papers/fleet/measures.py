"""From the table of the fleet study to the number a claim is judged by."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap, joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.papers.fleet.jobs import BOUNDS
from edgewright.studies.claim import Measured, measured
from edgewright.studies.claims_file import Measures
from edgewright.studies.table import Table


@dataclasses.dataclass(frozen=True)
class View:
    """The table as claims see it."""

    table: Table
    setting: str = ""

    def reward(self, key: str) -> np.ndarray:
        """Return the reward per slot ``[seeds, episodes]`` of an arm, a rule or a bound."""
        return self.table.array(key, "episodes/reward")

    def difference(self, ours: str, other: str) -> Interval:
        """Return the difference of two mean rewards on the same episodes."""
        arms = {name: {"x": self.reward(name)} for name in dict.fromkeys((ours, other))}
        return joint_bootstrap(arms, lambda m: m[ours]["x"] - m[other]["x"])

    def level(self, key: str) -> Interval:
        """Return a mean reward."""
        return joint_mean(self.reward(key))

    def lowest_bound(self) -> str:
        """Return the key of the bound whose mean is lowest."""
        keys = [f"fleet/{name}" for name in BOUNDS]
        return min(keys, key=lambda key: float(self.reward(key).mean()))


def lead(view: View, ours: str, other: str) -> Measured:
    """Measure the difference of two rewards per slot."""
    quantity = f"reward of {ours} less that of {other}"
    return measured(view.difference(ours, other), quantity, len(view.reward(ours)))


def way(view: View, ours: str, low: str) -> Measured:
    """Measure how far along the way from a rule to the lowest bound a policy is, in per cent."""
    high = view.lowest_bound()
    arms = {name: {"x": view.reward(name)} for name in (ours, low, high)}
    interval = joint_bootstrap(
        arms, lambda m: 100 * (m[ours]["x"] - m[low]["x"]) / (m[high]["x"] - m[low]["x"])
    )
    quantity = f"share of the way from {low} to {high} that {ours} goes"
    return measured(interval, quantity, len(view.reward(ours)), "%")


MEASURES: Measures = {"lead": lead, "way": way}
