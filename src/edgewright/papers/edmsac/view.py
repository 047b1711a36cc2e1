"""Read the results of the EDMSAC study for claims and figures."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.papers.edmsac.worlds import WORLDS
from edgewright.studies.table import Table

SETTINGS = (*WORLDS, "grid")
"""The worlds, and the grid of cells over which "up to" is taken."""

METRICS = {
    "profit": ("reward", "profit from rational servers"),
    "share": ("optimum_ratio", "share of the optimum"),
    "penalised": ("training_reward", "penalised reward"),
    "paper": ("paper_profit", "profit on paper"),
    "lies": ("ic_violation", "gain from lying"),
    "losses": ("ir_violation", "missed participation"),
}
"""Arrays of episodes by the study's name of the metric, and their words."""


@dataclasses.dataclass(frozen=True)
class View:
    """The table of results in one setting, as a claim reads it."""

    table: Table
    setting: str

    def get(self, name: str, metric: str = "profit", world: str = "") -> np.ndarray:
        """Return a metric ``[seeds, episodes]`` of a policy or of the bound."""
        key = f"{world or self.setting}/{name}"
        return self.table.array(key, f"episodes/{METRICS[metric][0]}")

    def actor(self, name: str, what: str) -> np.ndarray:
        """Return ``parameters``, ``sparsity`` or ``weight_sparsity`` ``[seeds, 1]``."""
        return self.table.array(f"{self.setting}/{name}", f"actor/{what}")

    def duration(self, name: str, batch: int) -> np.ndarray:
        """Return the milliseconds ``[1, repeats]`` of denoising a batch."""
        return self.table.array(f"{self.setting}/{name}", f"duration/batch_{batch}")

    def has(self, name: str, world: str = "") -> bool:
        """Return whether a policy was measured."""
        return f"{world or self.setting}/{name}" in self.table.results

    def seeds(self, *names: str) -> int:
        """Return the fewest seeds among learners."""
        return min(len(self.get(name)) for name in names)
