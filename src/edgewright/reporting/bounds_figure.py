"""Draw what policies reach in each scenario, and the bounds above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewright.evaluation.bounds import Entry, ScenarioBounds
from edgewright.reporting.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    MARKERS,
    ORANGE,
    SMALL,
    WIDE,
    canvas,
    some,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"feasible": BLUE, "hindsight": GREEN, "exact": ORANGE, "bound": BLACK}
BOUND_MARKERS = ("|", "4", "3", "x")


def bounds_figure(
    rows: Sequence[ScenarioBounds], *, xlabel: str = "mean reward per slot and device (no unit)"
) -> Figure:
    """Draw one line per scenario, top down, with the gap between reached and bound shaded.

    Feasible policies, plans made in hindsight and exact optima stand on the line, bounds too, each
    with a marker of its own. The number at the right is the width of the gap.

    Args:
        rows: bounds of at least one scenario.
        xlabel: quantity and unit.
    """
    some(rows, "rows")
    markers = _markers(rows)
    with style():
        figure, (axes,) = canvas(WIDE, 1.3 + 0.36 * len(rows))
        axes.grid(False, axis="y")
        digits = _digits(rows)
        for y, row in enumerate(rows):
            reached, limit = row.reached, row.limit
            axes.barh(y, limit - reached, left=reached, height=0.62, color="#D9D9D9", zorder=0.8)
            for entry in row.entries.values():
                _draw_entry(axes, y, entry, markers[entry.kind, entry.name])
            axes.text(
                1.01,
                y,
                f"{reached:.{digits}f} to {limit:.{digits}f}",
                transform=axes.get_yaxis_transform(),
                va="center",
                fontsize=SMALL,
            )
        axes.set_yticks(range(len(rows)), [row.scenario for row in rows])
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=xlabel)
        axes.margins(x=0.03)
        axes.set_title(
            "grey: where the optimum with perfect information lies",
            loc="right",
            color=GREY,
            fontsize=SMALL,
        )
        order = {name: i for i, (_, name) in enumerate(markers)}
        handles, labels = axes.get_legend_handles_labels()
        pairs = sorted(zip(handles, labels, strict=True), key=lambda pair: order[pair[1]])
        handles, labels = zip(*pairs, strict=True)
        columns = int(np.ceil(len(labels) / 2))
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=1.2)
    return figure


def _markers(rows: Sequence[ScenarioBounds]) -> dict[tuple[str, str], str]:
    """Return the marker of every (kind, name), in the order of the legend."""
    names = list(dict.fromkeys((e.kind, e.name) for row in rows for e in row.entries.values()))
    markers: dict[tuple[str, str], str] = {}
    for kind in COLOURS:
        shapes = BOUND_MARKERS if kind == "bound" else MARKERS
        of_kind = [pair for pair in names if pair[0] == kind]
        markers |= {pair: shapes[i % len(shapes)] for i, pair in enumerate(of_kind)}
    return markers


def _draw_entry(axes: Axes, y: int, entry: Entry, marker: str) -> None:
    """Draw one policy, plan or bound on the line ``y``; label it where it is the first."""
    labelled = entry.name in axes.get_legend_handles_labels()[1]
    axes.plot(
        entry.mean,
        y,
        color=COLOURS[entry.kind],
        ls="",
        zorder=3.0,
        marker=marker,
        markersize=8.0 if entry.kind == "bound" else 4.5,
        fillstyle="none" if entry.kind == "hindsight" else "full",
        label="_" if labelled else entry.name,
    )


def _digits(rows: Sequence[ScenarioBounds]) -> int:
    """Return how many decimals distinguish the two ends of every gap."""
    least = min(max(row.limit - row.reached, 1e-6) for row in rows)
    return int(np.clip(1 - np.floor(np.log10(least)), 2, 4))


__all__ = ["bounds_figure"]
