"""Read the learning curves of runs from their folders, and draw those of a comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.core.sealed import read_json
from edgewright.evaluation.compare import Comparison, Result
from edgewright.reporting.figures import learning_curve
from edgewright.reporting.plot_data import Curve, Line
from edgewright.scenarios.load import resolved
from edgewright.specs.schema import Scenario
from edgewright.training import checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def run_curve(folder: Path, label: str, metric: str = "reward") -> Curve | None:
    """Return a metric of the greedy policy on the evaluation episodes while a run learned.

    Args:
        folder: of the run.
        label: in the figure.
        metric: a key of ``evaluation.jsonl``.

    Returns:
        the curve of all seeds at the steps that all have reached; None where nothing is kept.
    """
    files = sorted(folder.glob("seed-*/evaluation.jsonl"))
    seeds = [checkpoint.read_log(file.parent, "evaluation") for file in files]
    seeds = [[row for row in rows if {metric, "steps"} <= row.keys()] for rows in seeds]
    points = min((len(rows) for rows in seeds), default=0)
    if points < 2:
        return None
    steps = np.array([row["steps"] for row in seeds[0][:points]], float)
    return Curve(label, steps, np.array([[row[metric] for row in s[:points]] for s in seeds]))


def runs_of(results: Sequence[Result]) -> list[tuple[Path, str]]:
    """Return folder and name of those results of a comparison that are runs."""
    return [(r.source.folder, r.name) for r in results if r.source and r.source.folder]


def learning_figure(comparison: Comparison, summary: dict[str, Any]) -> tuple[Figure, str] | None:
    """Return the learning curves of a comparison's runs and what they show, in words.

    The levels of the baseline, the reference and the bound are drawn where every run was trained
    in the scenario of the comparison; only there do they mean the same.

    Returns:
        figure and caption, or None where no run has a curve.
    """
    drawn = [(folder, run_curve(folder, name)) for folder, name in runs_of(comparison.results)]
    curves = {curve.label: (folder, curve) for folder, curve in drawn if curve is not None}
    if not curves:
        return None
    elsewhere = [
        name for name, (folder, _) in curves.items() if not trained_in(folder, comparison.scenario)
    ]
    figure = learning_curve(
        [curve for _, curve in curves.values()],
        [] if elsewhere else _levels(summary),
        ylabel="reward per slot (no unit)",
    )
    caption = "The greedy policy of each run on the evaluation episodes while it learned."
    if elsewhere:
        caption += f" Measured in the scenario of its own training: {', '.join(elsewhere)}."
    return figure, caption


def trained_in(folder: Path, scenario: Scenario) -> bool:
    """Return whether a run was trained in the world, with the numbers and inputs, of a scenario."""
    trained = read_json(folder / "run.json", "run").get("scenario", {})
    asked = json.loads(json.dumps(resolved(scenario)))
    return all(trained.get(table) == asked[table] for table in ("world", "params", "streams"))


def _levels(summary: dict[str, Any]) -> list[Line]:
    named = dict.fromkeys((summary["baseline"], summary["reference"]))
    rewards = {row["policy"]: row["reward"] for row in summary["policies"]}
    lines = [Line(name, rewards[name]) for name in named]
    bound = summary["bound"]
    return [*lines, Line("upper bound", bound["reward"], is_bound=True)] if bound else lines


__all__ = ["learning_figure", "run_curve", "runs_of", "trained_in"]
