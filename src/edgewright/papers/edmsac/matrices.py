"""Draw what each type earns from each item of a learned menu, in both periods (figure M2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.papers.edmsac.worlds import TITLES
from edgewright.reporting.style import SMALL, WIDE, style
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = ("d3", "d3-raw")


def menus(table: Table) -> tuple[str, Figure]:
    """Return caption and figure: utility of every type from every item, of the first seed."""
    from matplotlib.figure import Figure

    worlds = [world for world in SHOWN if f"{world}/edmsac" in table.results]
    with style():
        figure = Figure(figsize=(WIDE, 2.4 * len(worlds)))
        for row, world in enumerate(worlds):
            arrays = table[f"{world}/edmsac"].arrays
            first, second = arrays["first/utility"][0], arrays["second/utility"][0]
            panels = [("period 1: item", first.T)] + [
                (f"period 2 after item {h + 1}: item", one) for h, one in enumerate(second)
            ]
            for column, (title, values) in enumerate(panels):
                index = row * len(panels) + column + 1
                axes = figure.add_subplot(len(worlds), len(panels), index)
                _panel(axes, values, title)
                if column == 0:
                    axes.set_ylabel(f"{TITLES[world].split(':')[0]}\ntype of the server")
    caption = (
        "What each type earns from each item of the menu of EDMSAC in contract-d3; frames mark its "
        "own item. Lies do not pay where the own item has the largest number of its row, and "
        "everybody takes part where it is not below zero. Above structured menus, below raw ones."
    )
    return caption, figure


def _panel(axes: Axes, values: np.ndarray, title: str) -> None:
    """Draw a matrix ``[type, item]`` with its numbers; a type's own item has a frame."""
    from matplotlib.patches import Rectangle

    size = float(np.abs(values).max()) or 1.0
    look: dict[str, Any] = {"cmap": "PuOr", "vmin": -size, "vmax": size, "aspect": "auto"}
    axes.imshow(values, **look)
    axes.grid(visible=False)
    count = len(values)
    for i in range(count):
        for j in range(values.shape[1]):
            text = f"{values[i, j]:.2f}" if abs(values[i, j]) < 10 else f"{values[i, j]:.0f}"
            dark = abs(values[i, j]) > 0.6 * size
            color = "white" if dark else "black"
            axes.text(j, i, text, ha="center", va="center", fontsize=SMALL, color=color)
        axes.add_patch(Rectangle((i - 0.47, i - 0.47), 0.94, 0.94, fill=False, lw=1.2))
    axes.set_xticks(range(values.shape[1]), [str(j + 1) for j in range(values.shape[1])])
    axes.set_yticks(range(count), [str(i + 1) for i in range(count)])
    axes.set_xlabel(title)


__all__ = ["menus"]
