"""Draw the Pareto figure of a compression, with the gain kept against size and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.deploy.gain import PRICED, gains, judged
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
    """Draw the share of the gain kept, with its interval, against bytes and decision time.

    A policy that decides in two ways is drawn by the one that keeps less, as the gate of
    ``compress`` judges it. Where the parent gains nothing over the baseline, the ratio of scores
    is drawn instead, and the axis says so.

    Args:
        rows: of the table of a compression, the parent first.
    """
    some(rows, "rows")
    drawn = "gain_kept" if gains(rows) else "score_ratio"
    ratios = [judged(row, drawn) for row in rows]
    with style():
        figure, (left, right) = canvas(WIDE, 3.0, panels=2)
        _panel(left, rows, ratios, [row["bytes"] / 1e3 for row in rows], "graph on disk [kB]")
        _panel(
            right, rows, ratios, [row["p50_us"] for row in rows], "time of one decision, p50 [µs]"
        )
        left.set_ylabel(_label(rows, drawn))
        handles, labels = left.get_legend_handles_labels()
        order = sorted(range(len(labels)), key=lambda n: labels[n] == FRONT)
        shown = [handles[n] for n in order], [labels[n] for n in order]
        figure.legend(*shown, loc="outside upper left", ncols=min(5, len(labels)))
    return figure


def _panel(
    axes: Axes,
    rows: Sequence[dict[str, Any]],
    ratios: Sequence[dict[str, float]],
    x: Sequence[float],
    label: str,
) -> None:
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


def _label(rows: Sequence[dict[str, Any]], drawn: str) -> str:
    """Return the label of the vertical axis."""
    names = {"gain_kept": "share of the gain kept", "score_ratio": "score ratio"}
    text, two = f"{names[drawn]} (parent = 1)", f"{drawn}{PRICED}" in rows[0]
    return f"{text}, the lower of\nanswers and priced proposals" if two else text


def _named(rows: Sequence[dict[str, Any]], index: int) -> str:
    """Return the stages so far: a candidate has been through all before it."""
    return "parent" if index == 0 else f"then {rows[index]['stage']}"


__all__ = ["front", "pareto"]
