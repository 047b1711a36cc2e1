"""Find outcomes that are far off the model of all rewards because their answers were late.

A machine that waits for a core answers late, and so does a queue that others fill. Such a reward is
low, but it is the one that its own delay and energy give by the scenario. It is not absurd.
"""

from __future__ import annotations

import numpy as np

from edgewright.bundle.bundle import Bundle
from edgewright.gateway.reward import Measured, TaskReward, task_reward
from edgewright.serve.log_reader import LoggedDecision
from edgewright.serve.log_table import LogTable

TOLERANCE = 1e-3
"""Largest difference of a reward from that of its metrics, as a share of it, plus as much."""


def agrees_with_metrics(bundle: Bundle, table: LogTable) -> np.ndarray:
    """Return of which outcomes ``[n]`` the reward is that of their own delay and energy.

    A refused task must earn what the scenario says of it. All are false where the bundle is of
    another system than ``aigc``, and each is where a metric is missing.

    Args:
        table: decisions with their outcomes.
    """
    choices = [one.choices for one in bundle.interface.fields if one.name == "mode"]
    levels = [len(one.labels) for one in bundle.interface.outputs if one.name == "level"]
    reward = task_reward(bundle, choices[0] if choices else (), levels[0]) if levels else None
    if reward is None:
        return np.zeros(len(table), bool)
    return np.array([_agrees(reward, row) for row in table.rows], bool)


def _agrees(law: TaskReward, row: LoggedDecision) -> bool:
    expected = _expected(law, row)
    if row.reward is None or expected is None:
        return False
    return abs(row.reward - expected) <= TOLERANCE * (1.0 + abs(expected))


def _expected(law: TaskReward, row: LoggedDecision) -> float | None:
    """Return the reward that the metrics of an outcome give; None where one is missing."""
    metrics, level = row.metrics, row.decision.get("level")
    if metrics.get("served", 1.0) == 0.0:
        return law.rejected
    names = ("delay_s", "device_energy_j", "edge_energy_j")
    if not isinstance(level, int) or any(name not in metrics for name in names):
        return None
    quality = metrics.get("quality", law.score[level])
    observed = row.observation
    mode, charge_pct = observed.get("mode", ""), observed.get("charge_pct", 100.0)
    delay_s, device_j, edge_j = (metrics[name] for name in names)
    measured = Measured(delay_s, device_j, edge_j, quality)
    return law.reward(measured, str(mode), float(charge_pct))


__all__ = ["agrees_with_metrics"]
