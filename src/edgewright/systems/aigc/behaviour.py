"""Measure the shares of a policy's actions by charge and by user mode."""

from __future__ import annotations

import numpy as np

from edgewright.loops.evaluate import EpisodeBatch

CHARGE_BINS = ((50.0, 100.0), (30.0, 50.0), (10.0, 30.0))
"""Bins of charge [%], those of the SE-PPO paper's Fig. 11."""

MODES = ("preview", "balanced", "best")


def level_names(qualities: int) -> list[str]:
    """Return names for the quality levels, lowest first."""
    if qualities == 3:
        return ["low", "medium", "high"]
    return [f"q{level}" for level in range(qualities)]


def categories(qualities: int) -> list[str]:
    """Return ``"local low"`` ... ``"offload high"``: location and quality of an action."""
    levels = level_names(qualities)
    return [f"{location} {level}" for location in ("local", "offload") for level in levels]


def shares_by_charge(played: EpisodeBatch, qualities: int) -> tuple[list[str], np.ndarray]:
    """Return the names of the charge bins and the shares ``[bins, categories]`` of all tasks."""
    charge = np.asarray(played.metrics.charge_pct)
    masks = [(charge >= low) & (charge < high + (high == 100.0)) for low, high in CHARGE_BINS]
    names = [f"{low:.0f}-{high:.0f} %" for low, high in CHARGE_BINS]
    return names, _shares(played, masks, qualities)


def shares_by_mode(played: EpisodeBatch, qualities: int) -> tuple[list[str], np.ndarray]:
    """Return the user modes and the shares ``[modes, categories]`` of all tasks."""
    mode = np.asarray(played.metrics.mode)
    return list(MODES), _shares(played, [mode == n for n in range(len(MODES))], qualities)


def _shares(played: EpisodeBatch, masks: list[np.ndarray], qualities: int) -> np.ndarray:
    metrics = played.metrics
    done = np.asarray(metrics.served) > 0
    done &= np.asarray(played.alive).reshape(*played.alive.shape, *[1] * (done.ndim - 2))
    category = (np.asarray(metrics.location) > 0) * qualities + np.asarray(metrics.level)
    counts = np.stack([np.bincount(category[done & m], minlength=2 * qualities) for m in masks])
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
