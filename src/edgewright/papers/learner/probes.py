"""Measure rewards and actions apart by user mode and by the load of others."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from edgewright.loops.evaluate import EpisodeBatch
from edgewright.scenarios.build import build
from edgewright.specs.schema import Scenario
from edgewright.studies.setup import episode_metrics
from edgewright.systems.aigc.behaviour import MODES
from edgewright.systems.problem import Problem
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import evaluation_inputs

LOADS = ("low", "middle", "high")
"""Thirds of all slots by the work that others brought in the last :data:`WINDOW_S` seconds."""

WINDOW_S = 10.0


def apart(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> dict[str, np.ndarray]:
    """Measure the episodes of a world of one device, and sums over slots by mode and load.

    Mode and load belong to the inputs, so every policy has the same slots in each cell. Slots after
    an early end count what they count in the reward.

    Returns:
        ``"episodes/..."`` ``[seeds, episodes]``, and ``"parts/..."`` ``[seeds, episodes, modes,
        loads]``: ``slots``, and sums of ``reward``, ``local`` (tasks), ``quality``, ``delay_s`` and
        ``device_energy_j``.
    """
    problem = build(scenario, data)
    inputs = evaluation_inputs(scenario, problem)
    played = [
        entry.play(jax.random.key(seed), problem.params, inputs)
        for seed, entry in enumerate(policy_entries)
    ]
    cells = cells_of(problem, inputs)
    missed = float(scenario.evaluation.post_termination_reward)
    rows = [_sums(batch, cells, missed) for batch in played]
    parts = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return episode_metrics(played, scenario) | parts


def cells_of(problem: Problem, inputs: Any) -> np.ndarray:
    """Return which mode and load each slot has, one-hot ``[T, E, modes, loads]``."""
    mode = np.asarray(inputs.mode)[:-1, :, 0]
    work = np.asarray(inputs.background_gcps, np.float64)[:-1].mean(axis=-1)
    window = max(1, round(WINDOW_S / float(problem.params.slot_s)))
    summed = np.cumsum(work, axis=0)
    summed[window:] = summed[window:] - summed[:-window]
    recent = summed / np.minimum(np.arange(1, len(work) + 1), window)[:, None]
    load = np.searchsorted(np.quantile(recent, [1 / 3, 2 / 3]), recent)
    return np.eye(len(MODES))[mode][..., None] * np.eye(len(LOADS))[load][..., None, :]


def _sums(played: EpisodeBatch, cells: np.ndarray, missed: float) -> dict[str, np.ndarray]:
    metrics, alive = (
        jax.tree.map(lambda leaf: np.asarray(leaf)[..., 0], played.metrics),
        np.asarray(played.alive),
    )
    worst = np.min(np.where(alive, metrics.reward, np.inf), axis=0)
    reward = np.where(alive, metrics.reward, np.minimum(missed, worst))
    served = alive * metrics.served
    values = {
        "reward": reward,
        "slots": np.ones_like(reward),
        "local": served * (metrics.location == 0),
        "quality": served * metrics.quality,
        "delay_s": served * metrics.delay_s,
        "device_energy_j": alive * metrics.device_energy_j,
    }
    return {
        f"parts/{name}": np.einsum("te,teml->eml", np.asarray(value, np.float64), cells)
        for name, value in values.items()
    }


__all__ = ["LOADS", "WINDOW_S", "apart", "cells_of"]
