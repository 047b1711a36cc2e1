"""Name the arms of the SE-PPO study, and read their results for claims."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.evaluation.joint_bootstrap import Means
from edgewright.studies.table import Table

HEAVY = "heavy"
TOY = "toy"
"""Small enough that the optimum is known exactly."""

REFERENCE = "rollout-12"
SETTINGS = ("paper", "fair")

LEARNERS = (
    "se-ppo",
    "ppo-norm",
    "ppo-lr",
    "ppo",
    "a2c",
    "dqn",
    "se-ppo-fixed-quality",
    "se-ppo-fixed-weights",
    "ppo-fixed-quality",
    "ppo-fixed-weights",
)
"""Of Figs 3 to 7, in both settings; the fair one has ``ppo-plain``, ``dqn-scaled`` and
``se-ppo-steady`` (large batches, short advantages; not the paper's) besides."""


def arm(name: str, setting: str, world: str = HEAVY) -> str:
    """Return the key of a learner's arm."""
    return f"{setting}/{name}" if world == HEAVY else f"{setting}/{name}/{world}"


def rule(name: str, world: str = HEAVY) -> str:
    """Return the key of a policy that needs no training, the same in every setting."""
    return f"{world}/{name}"


@dataclasses.dataclass(frozen=True)
class View:
    """The table of results in one setting, as a claim reads it."""

    table: Table
    setting: str

    def key(self, name: str, world: str = HEAVY) -> str:
        """Return the key of a learner in this setting, or of a rule.

        In the paper's setting PPO is plain PPO; in the fair one they are two learners.
        """
        if name == "ppo-plain" and self.setting == "paper":
            name = "ppo"
        learned = arm(name, self.setting, world)
        return learned if learned in self.table.results else rule(name, world)

    def get(self, name: str, array: str, world: str = HEAVY) -> np.ndarray:
        """Return an array ``[seeds, episodes, ...]`` of an arm."""
        return self.table.array(self.key(name, world), array)

    def seeds(self, *names: str, world: str = HEAVY) -> int:
        """Return the fewest seeds of the learners among the arms."""
        counts = [self.get(n, "episodes/reward", world).shape[0] for n in names]
        return min([c for c in counts if c > 1] or [1])

    def worlds(self, prefix: str) -> list[str]:
        """Return the worlds of a sweep that were measured, in order, e.g. ``servers-1`` ..."""
        worlds = {key.split("/")[0] for key in self.table.results}
        names = [name for name in worlds if name.startswith(prefix)]
        return sorted(names, key=lambda name: int(name.removeprefix(prefix)))


def score_of(means: Means, ours: str, anchors: str = "") -> np.ndarray:
    """Return (R - R_random) / (R_reference - R_random) of an arm's mean rewards ``[draws]``.

    Args:
        anchors: prefix of the names of both anchors in ``means``.
    """
    low, high = means[f"{anchors}random"]["reward"], means[f"{anchors}{REFERENCE}"]["reward"]
    return (means[ours]["reward"] - low) / np.where(high > low, high - low, np.nan)
