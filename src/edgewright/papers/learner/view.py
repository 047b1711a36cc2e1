"""The results of one world of the learner study, as claims, tables and figures read them."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.evaluation.joint_bootstrap import Means, joint_bootstrap, joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.papers.learner.groups import GROUPED
from edgewright.papers.learner.population import CHOSEN, TOGETHER
from edgewright.papers.learner.worlds import FURTHER, OURS, WORLDS
from edgewright.studies.table import Table

CHARGES = (100, 60, 45, 25)
"""Charge that an evaluation episode of `aigc` begins with [%]; episodes go round it."""

_MADE = {CHOSEN: ("population", "chosen/reward"), TOGETHER: ("population", "together/reward")}
_MADE |= {
    arm: (f"groups-of-{training}", f"groups/{array}")
    for training, arms in GROUPED.items()
    for array, arm in arms.items()
}
"""Job and array of arms that are made of other arms."""

_OF = {arm: training for training, arms in GROUPED.items() for arm in arms.values()}
"""The training whose groups an arm is made of."""


@dataclasses.dataclass(frozen=True)
class View:
    """The results of one world."""

    table: Table
    world: str

    def has(self, name: str) -> bool:
        """Return whether a policy, or the bound, was measured."""
        key = _MADE[name][0] if name in _MADE else name
        return f"{self.world}/{key}" in self.table.results

    def reward(self, name: str) -> np.ndarray:
        """Return the reward per slot ``[seeds, episodes]`` of a learner, a rule or the bound."""
        if name in _MADE:
            job, array = _MADE[name]
            return self.table.array(f"{self.world}/{job}", array)
        parts = ("", "-more") if (self.world, name) in FURTHER else ("",)
        rows = [self.table.array(f"{self.world}/{name}{part}", "episodes/reward") for part in parts]
        return np.concatenate(rows)

    def level(self, name: str) -> Interval:
        """Return a mean reward."""
        return joint_mean(self.reward(name))

    def difference(self, ours: str, other: str, charge: int | None = None) -> Interval:
        """Return the difference of two mean rewards on the same episodes.

        Groups are paired with groups of the same trainings. Of :data:`~.worlds.OURS` seed ``k`` is
        in group ``k``, so its seeds are paired with its groups. Groups of other trainings have
        several of their seeds each, and these are drawn on their own.

        Args:
            charge: an index of :data:`CHARGES`, for the episodes that begin with it; None for all.
        """
        part = slice(None) if charge is None else slice(charge, None, len(CHARGES))
        arms = {name: {"x": self.reward(name)[:, part]} for name in dict.fromkeys((ours, other))}
        groups = all(name in _OF for name in arms)
        same = _OF.get(ours, ours) == _OF.get(other, other)
        paired = same and (groups or _OF.get(ours, ours) == OURS)
        return joint_bootstrap(arms, lambda m: m[ours]["x"] - m[other]["x"], paired_seeds=paired)

    def closed(self, name: str) -> Interval:
        """Return the share of the gap between the world's base rule and the bound [%]."""
        base = WORLDS[self.world].base
        arms = {one: {"x": self.reward(one)} for one in dict.fromkeys((name, base, "bound"))}

        def share(means: Means) -> np.ndarray:
            low, high = means[base]["x"], means["bound"]["x"]
            return 100 * (means[name]["x"] - low) / (high - low)

        return joint_bootstrap(arms, share)

    def short_of_bound(self, name: str, charge: int) -> Interval:
        """Return how far a reward is below the bound from one charge on, in per cent of it."""
        part = slice(charge, None, len(CHARGES))
        arms = {one: {"x": self.reward(one)[:, part]} for one in (name, "bound")}
        return joint_bootstrap(
            arms, lambda m: 100 * (m["bound"]["x"] - m[name]["x"]) / m["bound"]["x"]
        )

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

    def steps_to(self, name: str, level: float) -> float | None:
        """Return the steps of the first evaluation whose mean over seeds reaches a reward."""
        marks, rewards = self.curve(name)
        reached = np.flatnonzero(rewards.mean(axis=0) >= level)
        return float(marks[reached[0]]) if reached.size else None

    def part(self, name: str, quantity: str) -> np.ndarray:
        """Return sums over slots ``[seeds, episodes, modes, loads]``, see :mod:`.probes`."""
        return self.table.array(f"{self.world}/{name}", f"parts/{quantity}")

    def part_difference(
        self, ours: str, other: str, cell: tuple[int | None, int | None]
    ) -> Interval:
        """Return the difference of two rewards per slot in the slots of a mode and a load.

        Args:
            cell: indices of mode and load; None takes all of them.
        """
        slots = _in_cell(self.part(ours, "slots"), cell).mean()
        arms = {
            name: {"x": _in_cell(self.part(name, "reward"), cell) / slots}
            for name in dict.fromkeys((ours, other))
        }
        return joint_bootstrap(arms, lambda m: m[ours]["x"] - m[other]["x"])

    def per_slot(self, name: str, quantity: str, cell: tuple[int | None, int | None]) -> float:
        """Return the mean of a quantity over the slots of a mode and a load."""
        total = _in_cell(self.part(name, quantity), cell).sum()
        return float(total / _in_cell(self.part(name, "slots"), cell).sum())


def _in_cell(values: np.ndarray, cell: tuple[int | None, int | None]) -> np.ndarray:
    mode, load = cell
    chosen = values if mode is None else values[:, :, mode : mode + 1]
    chosen = chosen if load is None else chosen[..., load : load + 1]
    return chosen.sum(axis=(2, 3))


__all__ = ["CHARGES", "View"]
