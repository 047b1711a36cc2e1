"""From the table of the edge-dqn study to the numbers that claims are judged by."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap, joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.studies.claim import Measured, measured
from edgewright.studies.claims_file import Measures
from edgewright.studies.table import Table

NEAR = 0.95
"""Share of the centralised score that a curve must reach."""


@dataclasses.dataclass(frozen=True)
class View:
    """The table as claims see it."""

    table: Table
    setting: str = ""

    def reward(self, key: str) -> np.ndarray:
        """Return the reward per slot ``[seeds, episodes]`` of an arm or a rule."""
        return self.table.array(key, "episodes/reward")

    def difference(self, ours: str, other: str) -> Interval:
        """Return the difference of two mean rewards on the same episodes."""
        arms = {name: {"x": self.reward(name)} for name in dict.fromkeys((ours, other))}
        return joint_bootstrap(arms, lambda m: m[ours]["x"] - m[other]["x"])

    def level(self, key: str) -> Interval:
        """Return a mean reward."""
        return joint_mean(self.reward(key))

    def score(self, key: str) -> Interval:
        """Return (reward - random) / (reference - random) on the devices of a key, in per cent."""
        devices = key.split("/")[0]
        low, high = f"{devices}/random", f"{devices}/greedy-in-turn"
        arms = {name: {"x": self.reward(name)} for name in dict.fromkeys((key, low, high))}
        return joint_bootstrap(
            arms, lambda m: 100 * (m[key]["x"] - m[low]["x"]) / (m[high]["x"] - m[low]["x"])
        )

    def curve(self, arm: str) -> tuple[np.ndarray, np.ndarray]:
        """Return steps ``[marks]`` and rewards ``[seeds, marks]`` of an arm while it trained."""
        steps = self.table.array(f"own/{arm}", "curves/steps")[0]
        return steps, self.table.array(f"own/{arm}", "curves/reward")

    def steps_to_centralised(self, arm: str) -> float | None:
        """Return the steps after which an arm stays at 95 % of the centralised score.

        Both are means over seeds; the centralised score is the last one of its curve. None if the
        arm does not reach it.
        """
        random = float(self.reward("own/random").mean())
        steps, rewards = self.curve(arm)
        goal = random + NEAR * (float(self.curve("centralised")[1].mean(axis=0)[-1]) - random)
        below = np.flatnonzero(rewards.mean(axis=0) < goal)
        first = int(below[-1]) + 1 if below.size else 0
        return float(steps[first]) if first < len(steps) else None

    def links(self, arm: str) -> dict[str, Any]:
        """Return what recorded links make of an arm; nothing without recordings."""
        facts = self.table[f"own/{arm}"].facts["exchange"].get("links") or {}
        return facts if "seconds" in facts else {}

    def seconds_per_thousand(self, arm: str) -> float | None:
        """Return the seconds of exchange for a thousand steps of training."""
        facts = self.links(arm)
        return 1e3 * facts["seconds"] / float(self.curve(arm)[0][-1]) if facts else None

    def seconds_to_centralised(self, arm: str) -> float | None:
        """Return the seconds of exchange until an arm stays at 95 % of the centralised score."""
        steps, each = self.steps_to_centralised(arm), self.seconds_per_thousand(arm)
        return None if steps is None or each is None else steps * each / 1e3


def lead(view: View, ours: str, other: str) -> Measured:
    """Measure the difference of two rewards per slot."""
    quantity = f"reward of {ours} less that of {other}"
    return measured(view.difference(ours, other), quantity, len(view.reward(ours)))


MEASURES: Measures = {"lead": lead}
