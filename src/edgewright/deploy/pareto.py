"""Draw the Pareto figure of a compression, with score ratio against size and decision time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.deploy.compression import PRICED, score_ratio
from edgewright.reporting.style import (
    BLUE,
    GREY,
    MARKERS,
    PALETTE,
    SMALL,
    WIDE,
    canvas,
    some,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FRONT = "no other is better in both"


def front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Return the places that no other one beats in both, by rising cost."""
    order = sorted(range(len(costs)), key=lambda n: (costs[n], -gains[n]))
    best, result = -np.inf, []
    for index in order:
        if gains[index] > best:
            best = gains[index]
            result.append(index)
    return result


def pareto(rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw the score ratio, with 95 % intervals, against bytes and the time of one decision.

    If a policy has two scores, the figure shows the lower ratio, as the gate of ``compress`` does.

    Args:
        rows: of the table of a compression, the parent first.
    """
    some(rows, "rows")
    with style():
        figure, (left, right) = canvas(WIDE, 3.0, panels=2)
        _panel(left, rows, [row["bytes"] / 1e3 for row in rows], "graph on disk [kB]")
        _panel(right, rows, [row["p50_us"] for row in rows], "time of one decision, p50 [µs]")
        left.set_ylabel(_scored(rows))
        handles, labels = left.get_legend_handles_labels()
        order = sorted(range(len(labels)), key=lambda n: labels[n] == FRONT)
        shown = [handles[n] for n in order], [labels[n] for n in order]
        figure.legend(*shown, loc="outside upper left", ncols=min(5, len(labels)))
    return figure


def _panel(axes: Axes, rows: Sequence[dict[str, Any]], x: Sequence[float], label: str) -> None:
    ratios = [score_ratio(row) for row in rows]
    y = [one["estimate"] for one in ratios]
    best = front(x, y)
    axes.axhline(1.0, color=GREY, lw=0.6, zorder=0)
    axes.plot(
        [x[n] for n in best], [y[n] for n in best],
        drawstyle="steps-post", color=BLUE, lw=1.0, zorder=1, label=FRONT,
    )  # fmt: skip
    for index, one in enumerate(ratios):
        down, up = y[index] - one["low"], one["high"] - y[index]
        axes.errorbar(
            x[index], y[index], yerr=[[max(down, 0.0)], [max(up, 0.0)]],
            marker=MARKERS[index % len(MARKERS)], color=PALETTE[index % len(PALETTE)],
            capsize=2, lw=1.0, ls="none", label=_named(rows, index),
        )  # fmt: skip
    axes.set_xlabel(label)
    axes.tick_params(labelsize=SMALL)
    axes.margins(0.1, 0.15)


def _scored(rows: Sequence[dict[str, Any]]) -> str:
    """Return the label of the vertical axis."""
    if f"score_ratio{PRICED}" not in rows[0]:
        return "score ratio (parent = 1)"
    return "score ratio (parent = 1), the lower of\nanswers and priced proposals"


def _named(rows: Sequence[dict[str, Any]], index: int) -> str:
    """Return the stages so far: a candidate has been through all before it."""
    return "parent" if index == 0 else f"then {rows[index]['stage']}"


__all__ = ["front", "pareto"]
