"""Draw Table 2 and Figs 5 to 8 of MRL in both presets, with search and greedy rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_mean
from edgewright.papers.mrl.jobs import PRESETS, RULES
from edgewright.papers.mrl.measures import SETTINGS, View
from edgewright.reporting.panels import curve_grid, dot_grid
from edgewright.reporting.plot_data import Curve, Line, Row
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = {"rounded": "Q-hat, rounded (no unit)", "priced": "Q-hat, best of 10 (no unit)"}
TITLES = {
    "easy": "easy: line of sight, the paper's link budget",
    "hard": "hard: obstructed and shadowed, 40 MHz",
}
AS_WRITTEN = ("maml", "fomaml", "pretrain", "droo")
NEAREST = ("maml-nearest", "pretrain-nearest", "droo-nearest")
STEPS = "gradient steps in a new scenario"


def drawings(table: Table) -> dict[str, tuple[str, Figure]]:
    """Return caption and drawing of every figure by name."""
    return {
        "table2": (
            "Table 2: Q-hat of fully informed rules, of networks that do not adapt, and "
            "of initialisations after 20 gradient steps on their own slots.",
            _table2(table),
        ),
        "fig5": (
            "Fig. 5: fine-tuning MAML's initialisation with other rates, memories and batches.",
            _curves(table, ("as-chosen", "rate-0.1", "rate-0.001", "memory-512", "memory-2048",
                            "batch-64", "batch-512")),
        ),
        "fig6": (
            "Fig. 6, labels as the paper says: the best of the order-preserving proposals.",
            _curves(table, AS_WRITTEN, ("dnn", "greedy-sequential")),
        ),
        "fig6-nearest": (
            "Fig. 6 with labels from the ten nearest binary actions instead, at the same number of "
            "critic calls.",
            _curves(table, NEAREST, ("dnn", "greedy-sequential")),
        ),
        "fig7": (
            "Fig. 7: a device whose scenario switches three times, evaluated in the present one. "
            "If informed of the switch, it restarts from its initialisation; else it keeps its old "
            "samples.",
            _switches(table),
        ),
        "fig8": (
            "Fig. 8: mean weighted delay in three scenarios, after 20 steps where a policy adapts.",
            _delays(table),
        ),
    }  # fmt: skip


def _views(table: Table) -> dict[tuple[str, str], View]:
    views = [View(table, setting) for setting in SETTINGS]
    return {(view.preset, view.way): view for view in views}


def _curves(table: Table, names: Sequence[str], levels: Sequence[str] = ()) -> Figure:
    cells = {}
    for (preset, way), view in _views(table).items():
        last = max(view.steps(names[-1]))
        curves = []
        for name in names:
            steps = np.asarray(view.steps(name))
            inside = steps <= last
            curves.append(Curve(name, steps[inside], view.curve(name)[:, inside]))
        lines = [Line(name, float(view.scores(name).mean())) for name in levels]
        cells[TITLES[preset], COLUMNS[way]] = curves, lines
    return curve_grid([TITLES[p] for p in PRESETS], list(COLUMNS.values()), cells, xlabel=STEPS)


def _table2(table: Table) -> Figure:
    rules = [name for name in RULES if name not in ("random", "all-offload")]
    learned = [
        ("untrained", 0), ("dnn", 0), ("dnn-scenario", 0), ("droo", 20), ("bias-only", 20),
        ("pretrain", 20), ("pretrain-optimum", 20), ("reptile", 20), ("fomaml", 20), ("maml", 20),
        ("droo-nearest", 20), ("pretrain-nearest", 20), ("maml-nearest", 20),
    ]  # fmt: skip
    cells = {}
    for (preset, way), view in _views(table).items():
        rows = [_row(view, name, 0, "rule") for name in rules]
        rows += [_row(view, name, step, "learned") for name, step in learned]
        cells[TITLES[preset], COLUMNS[way]] = rows
    return dot_grid([TITLES[p] for p in PRESETS], list(COLUMNS.values()), cells)


def _row(view: View, name: str, step: int, kind: str) -> Row:
    interval = joint_mean(view.scores(name, step))
    label = f"{name}, {step} steps" if step else name
    return Row.of(label, kind, interval)


def _switches(table: Table) -> Figure:
    cells = {}
    for (preset, way), view in _views(table).items():
        curves = []
        for name in ("maml", "maml-nearest", "droo"):
            key = f"{preset}/switch-{name}"
            facts = table[key].facts
            steps, legs = np.asarray(facts["steps"]), facts["in_a_row"]
            along = np.concatenate([steps + leg * (steps[-1] + 2) for leg in range(legs)])
            for how in ("restart", "continue") if name == "maml" else ("restart",):
                values = table.array(key, f"switch/q_hat{view.suffix}_{how}").mean(axis=1)
                curves.append(Curve(f"{name}, {_LABELS[how]}", along, values))
        cells[TITLES[preset], COLUMNS[way]] = curves, [Line("0.99", 0.99)]
    xlabel = f"{STEPS}; a switch every {steps[-1]}"  # pyright: ignore[reportPossiblyUnboundVariable]
    return curve_grid([TITLES[p] for p in PRESETS], list(COLUMNS.values()), cells, xlabel=xlabel)


_LABELS = {"restart": "informed", "continue": "not informed"}


def _delays(table: Table) -> Figure:
    names = [("greedy-sequential", 0), ("dnn", 0), ("droo", 20), ("maml", 20), ("maml-nearest", 20)]
    cells = {}
    for (preset, way), view in _views(table).items():
        rows = []
        for scenario in range(3):
            for name, step in names:
                values = view.scores(name, step, "cost")[:, scenario]
                ends = np.quantile(values, [0.0, 1.0])
                kind = "rule" if name in RULES else "learned"
                label = f"{scenario + 1}: {name}"
                rows.append(Row(label, kind, float(values.mean()), *map(float, ends)))
        cells[TITLES[preset], _SECONDS[way]] = rows
    title = "mean and range over seeds"
    rows_ = [TITLES[p] for p in PRESETS]
    return dot_grid(rows_, list(_SECONDS.values()), cells, title=title)


_SECONDS = {
    "rounded": "weighted delay of all, rounded (s)",
    "priced": "weighted delay of all, best of 10 (s)",
}
