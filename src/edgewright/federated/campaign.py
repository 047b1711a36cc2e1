"""Construct agents for several mechanisms and seeds, and summarise them with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewright.core.version import __version__
from edgewright.evaluation.statistics import mean_interval
from edgewright.federated.construction import Request, construct
from edgewright.federated.learning_curve import calibrate
from edgewright.federated.rounds import Engine

SCOPE = (
    "modules are tiny statistical models, not language models; what is tested is how incentives "
    "become quality"
)
"""The limit of what the numbers say, beside every result."""

MEASURES = {
    "success": ("periods", 1, "success"),
    "success_period_1": ("periods", 0, "success"),
    "cost_ratio": ("periods", 1, "cost_ratio"),
    "accuracy": ("periods", 1, "recognition_accuracy"),
    "accuracy_period_1": ("periods", 0, "recognition_accuracy"),
    "perception_accuracy": ("periods", 1, "perception_accuracy"),
    "path_regret": ("periods", 1, "path_regret"),
    "imitation_accuracy": ("periods", 1, "imitation_accuracy"),
    "predicted_accuracy": ("periods", 1, "predicted_accuracy"),
    "samples_period_1": ("periods", 0, "samples"),
    "samples_period_2": ("periods", 1, "samples"),
    "payments": ("accounts", "payments"),
    "modelled_profit": ("accounts", "modelled_profit"),
    "measured_profit": ("accounts", "measured_profit"),
    "uplink_bytes": ("exchange", "uplink_bytes"),
    "set_aside": ("set_aside", "uploads"),
}
"""Name of each measure of a summary, and where it is in the result of a seed."""


def campaign(
    requests: Sequence[Request],
    seeds: int,
    engine: Engine,
    engine_name: str,
    on_progress: Callable[[str], None],
) -> dict[str, Any]:
    """Construct an agent for every mechanism and seed; all share types, data and pictures.

    Args:
        requests: one for each mechanism, with equal settings.
        seeds: number of seeds: 0, 1, ...
        engine: what runs the rounds; ``engine_name`` is its name.
        on_progress: called with what begins, once for each construction.

    Returns:
        settings, the learning curve, and of each mechanism its seeds and its summary.

    Raises:
        InputError: a request does not fit.
    """
    curve = calibrate(requests[0].settings)
    rows = []
    for request in requests:
        results = []
        for seed in range(seeds):
            on_progress(f"{request.mechanism}, seed {seed}")
            results.append(construct(request, seed, engine, curve, lambda name: None))
        rows.append({"mechanism": request.mechanism, "summary": summary(results), "seeds": results})
    return {
        "version": __version__,
        "scenario": requests[0].scenario.name,
        "engine": engine_name,
        "scope": SCOPE,
        "settings": requests[0].settings.facts(),
        "faults": {str(server): name for server, name in requests[0].faults.items()},
        "learning_curve": curve.facts(),
        "mechanisms": rows,
    }


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and 95 % interval over seeds of every measure; no interval for one seed."""
    return {name: interval(values(results, name)) for name in MEASURES}


def values(results: Sequence[dict[str, Any]], measure: str) -> np.ndarray:
    """Return a measure ``[seeds]``; NaN where a seed has none."""
    rows = []
    for result in results:
        value: Any = result
        for key in MEASURES[measure]:
            value = value[key]
        rows.append(np.nan if value is None else float(value))
    return np.array(rows)


def interval(numbers: np.ndarray) -> dict[str, float | None]:
    """Return ``mean``, ``low`` and ``high``; all None where a seed has no number."""
    if np.any(np.isnan(numbers)):
        return dict.fromkeys(("mean", "low", "high"))
    if len(numbers) < 2:
        return {"mean": float(numbers[0]), "low": None, "high": None}
    return {name: float(value) for name, value in mean_interval(numbers).summary().items()}


__all__ = ["MEASURES", "SCOPE", "campaign", "interval", "summary", "values"]
