"""From the table of the learner study to the number a claim is judged by."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.evaluation.joint_bootstrap import Means, joint_bootstrap, joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.studies.claim import Measured, measured
from edgewright.studies.claims_file import Measures
from edgewright.studies.table import Table

CHARGES = (100, 60, 45, 25)
"""Charge that an evaluation episode begins with [%]; episodes go round it."""


@dataclasses.dataclass(frozen=True)
class View:
    """The results of one world."""

    table: Table
    world: str

    def reward(self, name: str) -> np.ndarray:
        """Return the reward per slot ``[seeds, episodes]`` of a learner, a rule or the bound."""
        return self.table.array(f"{self.world}/{name}", "episodes/reward")

    def level(self, name: str) -> Interval:
        """Return a mean reward."""
        return joint_mean(self.reward(name))

    def difference(self, ours: str, other: str) -> Interval:
        """Return the difference of two mean rewards on the same episodes."""
        arms = {name: {"x": self.reward(name)} for name in {ours, other}}
        return joint_bootstrap(arms, lambda m: m[ours]["x"] - m[other]["x"])

    def closed(self, name: str) -> Interval:
        """Return the share of the gap between greedy and the bound that is closed [%]."""
        arms = {one: {"x": self.reward(one)} for one in {name, "greedy", "bound"}}

        def share(means: Means) -> np.ndarray:
            low, high = means["greedy"]["x"], means["bound"]["x"]
            return 100 * (means[name]["x"] - low) / (high - low)

        return joint_bootstrap(arms, share)

    def by_charge(self, name: str) -> tuple[float, ...]:
        """Return the mean reward of the episodes of each of :data:`CHARGES`."""
        rewards = self.reward(name)
        return tuple(float(rewards[:, k :: len(CHARGES)].mean()) for k in range(len(CHARGES)))

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return steps ``[marks]`` and rewards ``[seeds, marks]`` of the evaluations on the way."""
        key = f"{self.world}/{name}"
        return (
            self.table.array(key, "curves/steps")[0],
            self.table.array(key, "curves/reward"),
        )


def lead(view: View, ours: str, other: str) -> Measured:
    """Measure the difference of two rewards per slot."""
    quantity = f"reward of {ours} less that of {other}"
    return measured(view.difference(ours, other), quantity, len(view.reward(ours)))


def way(view: View, ours: str) -> Measured:
    """Measure which share of the gap between greedy and the bound is closed, in per cent."""
    quantity = f"share of the gap between greedy and the bound that {ours} closes"
    return measured(view.closed(ours), quantity, len(view.reward(ours)), "%")


def early(view: View, ours: str, steps: float) -> Measured:
    """Measure the reward at the last evaluation that is not after ``steps``."""
    marks, rewards = view.curve(ours)
    index = max(0, int(np.searchsorted(marks, steps, side="right")) - 1)
    quantity = f"reward of {ours} after {marks[index]:.0f} steps"
    return measured(joint_mean(rewards[:, index, None]), quantity, len(rewards))


MEASURES: Measures = {"lead": lead, "way": way, "early": early}
