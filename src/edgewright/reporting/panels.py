"""Draw figures of several panels, with settings as rows and quantities as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from edgewright.core.errors import InputError
from edgewright.evaluation.statistics import pointwise_band
from edgewright.reporting.plot_data import Curve, Line, Row
from edgewright.reporting.style import (
    BLACK,
    DASHES,
    GREY,
    MARKERS,
    PALETTE,
    SMALL,
    WIDE,
    group,
    some,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST = 0.05
"""Share of the values of all curves that may lie below (and above) a panel: early outliers."""


@dataclass(frozen=True)
class Sweep:
    """The results of one policy along a sweep, ``x`` [k] and estimates with intervals, each [k]."""

    label: str
    x: ArrayLike
    estimate: ArrayLike
    low: ArrayLike
    high: ArrayLike
    is_reference: bool = False


def curve_grid(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Mapping[tuple[str, str], tuple[Sequence[Curve], Sequence[Line]]],
    *,
    xlabel: str = "environment steps",
) -> Figure:
    """Draw learning curves with bands over seeds; a column shares its axis.

    A label has the same colour, marker and dash in all panels. Early values far below everything
    else are cut off at the edge of a panel.

    Args:
        rows: titles of the rows.
        columns: labels of the vertical axes, with units.
        cells: curves and levels of each (row, column).
    """
    from matplotlib.ticker import EngFormatter

    some(list(cells), "cells")
    labels = list(dict.fromkeys(c.label for curves, _ in cells.values() for c in curves))
    levels = list(dict.fromkeys(line.label for _, lines in cells.values() for line in lines))
    with style():
        figure, grid = _grid(rows, columns, height=1.9)
        for column in columns:
            bands = []
            for row in rows:
                axes = grid[row, column]
                for curve in cells[row, column][0]:
                    values = np.asarray(curve.values, float)
                    steps = np.asarray(curve.steps, float)
                    band = pointwise_band(values, np.mean)
                    look = _look(labels.index(curve.label))
                    every = (labels.index(curve.label) % 4, max(4, steps.size // 4))
                    axes.plot(steps, band.estimate, label=curve.label, markevery=every, **look)
                    if len(values) > 1:
                        axes.fill_between(
                            steps, band.low, band.high, color=look["color"], alpha=0.18, lw=0
                        )
                    bands += [band.low, band.high]
                axes.xaxis.set_major_formatter(EngFormatter(sep="\N{NO-BREAK SPACE}"))
                axes.locator_params(axis="x", nbins=5)
            shown = [line.value for row in rows for line in cells[row, column][1]]
            low, high = _window(np.concatenate(bands), shown)
            for row in rows:
                axes = grid[row, column]
                axes.set_ylim(low, high)
                for line in cells[row, column][1]:
                    _level(axes, line, levels.index(line.label))
        for column in columns:
            grid[rows[-1], column].set_xlabel(xlabel)
        seeds = sorted({len(np.asarray(c.values)) for curves, _ in cells.values() for c in curves})
        over = "/".join(str(n) for n in seeds)
        title = f"mean, 95\N{NO-BREAK SPACE}% band over {over} seeds" if seeds[-1] > 1 else "a seed"
        _legend(figure, grid, title)
    return figure


def dot_grid(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Mapping[tuple[str, str], Sequence[Row]],
    *,
    title: str = "mean, 95\N{NO-BREAK SPACE}% interval over seeds and episodes",
) -> Figure:
    """Draw an estimate and interval for each label, top down; a column shares its axis.

    Raises:
        InputError: the cells of a row do not hold the same labels, of which only one set is shown.
    """
    some(list(cells), "cells")
    most = max(len(rows_) for rows_ in cells.values())
    for row in rows:
        if len({tuple(dot.label for dot in cells[row, column]) for column in columns}) > 1:
            raise InputError("the cells of a row hold different labels", where=row)
    with style():
        figure, grid = _grid(rows, columns, height=0.62 + 0.17 * most, vertical=False)
        for column in columns:
            ends = [x for row in rows for r in cells[row, column] for x in (r.low, r.high)]
            margin = 0.06 * ((max(ends) - min(ends)) or 1.0)
            for row in rows:
                axes = grid[row, column]
                dots = cells[row, column]
                for y, dot in enumerate(dots):
                    colour, marker = group(dot.group)
                    axes.plot([dot.low, dot.high], [y, y], color=colour, lw=1.6)
                    axes.plot(dot.estimate, y, marker=marker, color=colour)
                named = column == columns[0]
                axes.set_yticks(range(len(dots)), [d.label if named else "" for d in dots])
                axes.tick_params(axis="y", length=0)
                axes.grid(False, axis="y")
                axes.set(ylim=(len(dots) - 0.5, -0.5))
                axes.set_xlim(min(ends) - margin, max(ends) + margin)
        for column in columns:
            grid[rows[-1], column].set_xlabel(column)
        figure.suptitle(title, fontsize=SMALL, x=0.01, ha="left")
    return figure


def sweep_grid(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Mapping[tuple[str, str], Sequence[Sweep]],
    *,
    xlabel: str,
) -> Figure:
    """Draw policies along a sweep with intervals; references are grey; a column shares its axis."""
    some(list(cells), "cells")
    ours = [s for sweeps in cells.values() for s in sweeps if not s.is_reference]
    labels = list(dict.fromkeys(s.label for s in ours))
    references = [s.label for sweeps in cells.values() for s in sweeps if s.is_reference]
    levels = list(dict.fromkeys(references))
    with style():
        figure, grid = _grid(rows, columns, height=2.0)
        for column in columns:
            values = []
            for row in rows:
                axes, drawn = grid[row, column], cells[row, column]
                for sweep in drawn:
                    x = np.asarray(sweep.x, float)
                    low, high = np.asarray(sweep.low, float), np.asarray(sweep.high, float)
                    if sweep.is_reference:
                        look: dict[str, Any] = _grey(levels.index(sweep.label))
                    else:
                        look = _look(labels.index(sweep.label))
                        axes.fill_between(x, low, high, color=look["color"], alpha=0.18, lw=0)
                    axes.plot(x, np.asarray(sweep.estimate, float), label=sweep.label, **look)
                    values += [low, high]
                axes.set_xticks(np.unique(np.concatenate([np.asarray(s.x) for s in drawn])))
            ends = np.concatenate(values)
            margin = 0.06 * (float(np.ptp(ends)) or 1.0)
            for row in rows:
                grid[row, column].set_ylim(ends.min() - margin, ends.max() + margin)
            grid[rows[-1], column].set_xlabel(xlabel)
        _legend(figure, grid, "mean, 95\N{NO-BREAK SPACE}% band over seeds and episodes")
    return figure


def _grid(
    rows: Sequence[str], columns: Sequence[str], height: float, vertical: bool = True
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return a figure and its panels by (row, column), with the rows' titles above their panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDE, 0.75 + (height + 0.12) * len(rows)))
    grid = {}
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            axes = figure.add_subplot(len(rows), len(columns), i * len(columns) + j + 1)
            if j == 0 and row:
                axes.set_title(" ", loc="left", fontsize=8)  # room for the words, not for width
                words = axes.annotate(
                    row, (0, 1), (0, 4), "axes fraction", "offset points", fontweight="bold"
                )
                words.set_in_layout(False)
            if vertical:
                axes.set_ylabel(column)
            grid[row, column] = axes
    return figure, grid


def _window(values: np.ndarray, levels: Sequence[float]) -> tuple[float, float]:
    """Return the range of a column: all values but few outliers, and the levels near them."""
    low, high = np.quantile(values, [LEAST, 1 - LEAST / 5])
    span = (high - low) or 1.0
    near = [x for x in levels if low - span <= x <= high + span]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.08 * ((high - low) or 1.0)
    return float(low - margin), float(high + margin)


def _look(index: int) -> dict[str, Any]:
    return {
        "color": PALETTE[index % len(PALETTE)],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def _grey(index: int) -> dict[str, Any]:
    dashes = ((0, (3, 2)), (0, (1, 1.5)), (0, (7, 2)), "-.")
    colours = (GREY, GREY, BLACK, BLACK)
    shade = index % len(dashes)
    return {"color": colours[shade], "linestyle": dashes[shade], "lw": 1.0}


def _level(axes: Axes, line: Line, index: int) -> None:
    low, high = axes.get_ylim()
    if low <= line.value <= high:
        axes.axhline(line.value, label=line.label, zorder=1.5, **_grey(index))
        return
    arrow = "\N{DOWNWARDS ARROW}" if line.value < low else "\N{UPWARDS ARROW}"
    at = 0.03 + 0.09 * index if line.value < low else 0.97 - 0.09 * index
    axes.text(
        0.98, at, f"{arrow} {line.label} {line.value:.3g}", transform=axes.transAxes,
        ha="right", va="bottom" if line.value < low else "top", fontsize=SMALL, color=GREY,
    )  # fmt: skip


def _legend(figure: Figure, grid: dict[tuple[str, str], Axes], title: str) -> None:
    """Name every line of every panel once, above them all."""
    named: dict[str, Any] = {}
    for axes in grid.values():
        handles, labels = axes.get_legend_handles_labels()
        named |= {label: handle for handle, label in zip(handles, labels, strict=True)}
    figure.legend(
        list(named.values()), list(named), loc="outside upper left", alignment="left",
        ncols=min(5, len(named)), title=title, title_fontsize=SMALL,
    )  # fmt: skip
