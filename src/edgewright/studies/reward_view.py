"""Read rewards of arms, rules and bounds from the table of a study, and compare them."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap, joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.studies.claim import Measured, measured
from edgewright.studies.table import Table


@dataclasses.dataclass(frozen=True)
class RewardView:
    """The table as claims about rewards see it."""

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

    def way(self, ours: str, low: str, high: str) -> Interval:
        """Return (reward - low) / (high - low) of three keys, in per cent."""
        arms = {name: {"x": self.reward(name)} for name in dict.fromkeys((ours, low, high))}
        return joint_bootstrap(
            arms, lambda m: 100 * (m[ours]["x"] - m[low]["x"]) / (m[high]["x"] - m[low]["x"])
        )


def lead(view: RewardView, ours: str, other: str) -> Measured:
    """Measure the difference of two rewards per slot."""
    quantity = f"reward of {ours} less that of {other}"
    return measured(view.difference(ours, other), quantity, len(view.reward(ours)))


__all__ = ["RewardView", "lead"]
