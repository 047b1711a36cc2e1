"""Draw quality, contributions and prediction of a campaign, the figures F1 to F3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.evaluation.statistics import Interval, mean_interval
from edgewright.federated.campaign import values
from edgewright.reporting.panels import dot_grid
from edgewright.reporting.plot_data import Row
from edgewright.reporting.style import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OVER_SEEDS = "mean, 95\N{NO-BREAK SPACE}% interval over seeds"
MIN_SEEDS = 2


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    """Draw all figures of a campaign and return the names of their files.

    Args:
        result: of :func:`edgewright.federated.campaign.campaign`, with two seeds or more.
        folder: where they go.
    """
    drawn = {
        "F1-quality": quality(result["mechanisms"]),
        "F2-contribution": contribution(result["mechanisms"]),
        "F3-prediction": prediction(result["mechanisms"]),
    }
    return [str(path) for name, one in drawn.items() for path in save(one, folder, name).values()]


def quality(mechanisms: list[dict[str, Any]]) -> Figure:
    """Draw quality of agent and modules after both periods, by mechanism (F1)."""
    columns = {
        "success in period 1 (%)": ("success_period_1", 100),
        "success in period 2 (%)": ("success", 100),
        "accuracy (%)": ("accuracy", 100),
        "path regret (%)": ("path_regret", 100),
    }
    return _dots(mechanisms, columns)


def prediction(mechanisms: list[dict[str, Any]]) -> Figure:
    """Draw accuracy and profit, predicted above measured, on one axis each, by mechanism (F3)."""
    measures = {
        ("predicted", "accuracy (%)"): ("predicted_accuracy", 100),
        ("measured", "accuracy (%)"): ("accuracy", 100),
        ("predicted", "profit"): ("modelled_profit", 1),
        ("measured", "profit"): ("measured_profit", 1),
    }
    trained = _trained(mechanisms)
    cells = {cell: _rows(trained, *measure) for cell, measure in measures.items()}
    rows, columns = ["predicted", "measured"], ["accuracy (%)", "profit"]
    return dot_grid(rows, columns, cells, title=OVER_SEEDS)


def contribution(mechanisms: list[dict[str, Any]]) -> Figure:
    """Draw samples and payments by type and history, one row for each mechanism (F2)."""
    columns = {
        "samples in period 1": ("samples", 0),
        "samples in period 2": ("samples", 1),
        "payment in period 2": ("payment", 1),
    }
    mechanisms = _trained(mechanisms)
    rows = [one["mechanism"] for one in mechanisms]
    histories = _histories(mechanisms)
    cells = {}
    for one in mechanisms:
        for column, (key, period) in columns.items():
            cells[one["mechanism"], column] = [
                Row.of(f"type {a} to {b}", "rule", _mean(_of_history(one, key, period, (a, b))))
                for a, b in histories
            ]
    title = "mean, 95\N{NO-BREAK SPACE}% interval over servers of a history"
    return dot_grid(rows, list(columns), cells, title=title)


def _dots(mechanisms: list[dict[str, Any]], columns: Mapping[str, tuple[str, float]]) -> Figure:
    cells = {("", column): _rows(mechanisms, *measure) for column, measure in columns.items()}
    return dot_grid([""], list(columns), cells, title=OVER_SEEDS)


def _rows(mechanisms: list[dict[str, Any]], measure: str, scale: float) -> list[Row]:
    """Return the mean of a measure over seeds, with its interval, of each mechanism."""
    return [
        Row.of(one["mechanism"], "rule", _mean(scale * values(one["seeds"], measure)))
        for one in mechanisms
    ]


def _trained(mechanisms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the mechanisms that buy samples in every seed; all of them if none does."""
    bought = [one for one in mechanisms if one["summary"]["predicted_accuracy"]["mean"] is not None]
    return bought or mechanisms


def _histories(mechanisms: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return the pairs of types that servers had, in order; all mechanisms meet the same."""
    servers = [server for seed in mechanisms[0]["seeds"] for server in seed["servers"]]
    return sorted({(one["types"][0], one["types"][1]) for one in servers})


def _of_history(
    mechanism: dict[str, Any], key: str, period: int, history: tuple[int, int]
) -> np.ndarray:
    servers = [server for seed in mechanism["seeds"] for server in seed["servers"]]
    rows = [float(one[key][period]) for one in servers if tuple(one["types"]) == history]
    return np.array(rows)


def _mean(numbers: np.ndarray) -> Interval:
    """Return the mean with its interval; the number alone where there is one."""
    if len(numbers) >= MIN_SEEDS:
        return mean_interval(numbers)
    return Interval(float(numbers[0]), float(numbers[0]), float(numbers[0]), 0.95)


__all__ = ["MIN_SEEDS", "contribution", "draw", "prediction", "quality"]
