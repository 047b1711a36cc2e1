"""Write legends, level names and labels that do not collide, inside and beside the axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.reporting.style import BLACK, GREY, GROUPS, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edgewright.reporting.plot_data import Line, Row


LETTERS_PER_INCH = 13
"""About how many letters of a legend fit into an inch, at the font size of figures."""

LEGEND_KEY_LETTERS = 8
"""Letters that the key of a line and the gap behind its name take."""


def legend(figure: Figure, title: str) -> None:
    """Name the drawn lines above the axes, as many to a line as fit, under the title.

    Args:
        title: what line and band mean.
    """
    handles, labels = figure.axes[0].get_legend_handles_labels()
    longest = max(map(len, labels), default=0) + LEGEND_KEY_LETTERS
    fitting = int(figure.get_figwidth() * LETTERS_PER_INCH // longest)
    columns = max(1, min(4, len(labels), fitting))
    order = {"ncols": columns, "title": title, "title_fontsize": SMALL}
    figure.legend(handles, labels, loc="outside upper left", alignment="left", **order)


def group_legend(figure: Figure, groups: Sequence[str], linewidth: float) -> None:
    """Name the groups above the axes."""
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], color=colour, marker=marker, lw=linewidth, label=group)
        for group, (colour, marker) in GROUPS.items()
        if group in groups
    ]
    figure.legend(handles=keys, loc="outside upper left", ncols=len(keys))


def window(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the range to draw: everything, less at most a quarter of the rows if far outlying."""
    drawn = sorted(rows, key=lambda row: row.estimate)
    for _ in range(len(rows) // 4):
        gaps = drawn[1].estimate - drawn[0].estimate, drawn[-1].estimate - drawn[-2].estimate
        rest = drawn[1:] if gaps[0] >= gaps[1] else drawn[:-1]
        if max(gaps) > 2 * (rest[-1].estimate - rest[0].estimate) > 0:
            drawn = rest
    numbers = [x for row in drawn for x in (row.low, row.estimate, row.high)]
    if not np.all(np.isfinite(numbers)):
        raise InputError("a row holds a number that is NaN or infinite", hint="leave that row out")
    low, high = min(numbers), max(numbers)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def arrow(axes: Axes, leftwards: bool, y: float, text: str, colour: str) -> None:
    """Mark a row that lies beyond the axis, with its value."""
    edge, inset, side = (0.012, 0.04, "left") if leftwards else (0.988, 0.96, "right")
    across = axes.get_yaxis_transform()
    axes.plot(edge, y, marker="<" if leftwards else ">", color=colour, transform=across)
    look = {"fontsize": SMALL, "color": GREY, "bbox": {"fc": "white", "ec": "none", "pad": 0.8}}
    axes.text(inset, y, text, transform=across, ha=side, va="center", **look)


def reference_lines(axes: Axes, references: Sequence[Line], middle: float) -> None:
    """Draw each level across the axes and name it at the right margin, names pushed apart."""
    bottom, top = axes.get_ylim()
    share = [float(np.clip((r.value - bottom) / (top - bottom), 0, 1)) for r in references]
    order = sorted(range(len(share)), key=lambda i: share[i])
    positions = spread([share[i] for i in order], gap=0.062)
    for position, i in zip(positions, order, strict=True):
        line, colour = references[i], BLACK if references[i].is_bound else GREY
        text = line.label
        if bottom <= line.value <= top:
            dashes = "-." if line.is_bound else (0, (3, 2))
            axes.axhline(line.value, color=colour, ls=dashes, lw=0.9, zorder=1.5)
            if line.is_bound:
                depth = (0.03 if line.value >= middle else -0.03) * (top - bottom)
                hatch = {"facecolor": "none", "edgecolor": "#9A9A9A", "hatch": "//////", "lw": 0}
                axes.axhspan(line.value, line.value + depth, zorder=0.8, **hatch)
        else:
            arrow = "\N{DOWNWARDS ARROW}" if line.value < bottom else "\N{UPWARDS ARROW}"
            text = f"{arrow} {line.label} ({line.value:.3g})"
        leader = [1.0, 1.025], [share[i], position]
        axes.plot(*leader, transform=axes.transAxes, color=colour, lw=0.6, clip_on=False)
        style = {"transform": axes.transAxes, "va": "center", "fontsize": SMALL, "color": colour}
        axes.text(1.035, position, text, **style)


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Push sorted positions in [0, 1] apart until ``gap`` lies between neighbours."""
    placed = list(positions)
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    if placed and placed[-1] > 1.0:
        placed[-1] = 1.0
        for i in range(len(placed) - 2, -1, -1):
            placed[i] = min(placed[i], placed[i + 1] - gap)
    return placed


def label_points(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Name each point at the first of eight places round it where the name covers least."""
    from matplotlib.transforms import Bbox

    frame = axes.get_window_extent()
    dots = [axes.transData.transform((x, y)) for x, y, _ in points]
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in dots]
    places = [(6, 0, "left"), (-6, 0, "right"), (0, 8, "center"), (0, -8, "center")]
    places += [(5, 7, "left"), (5, -7, "left"), (-5, 7, "right"), (-5, -7, "right")]
    places += [(0, 16, "center"), (0, -16, "center")]
    for x, y, label in points:
        best: tuple[float, Any, Any] | None = None
        for dx, dy, side in places:
            text = axes.annotate(
                label,
                (x, y),
                (dx, dy),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=SMALL,
            )
            text.set_in_layout(False)
            box = text.get_window_extent()
            inside = _overlap(box, frame)
            cost = sum(_overlap(box, other) for other in taken) + box.width * box.height - inside
            if best is None or cost < best[0] - 1e-9:
                if best:
                    best[1].remove()
                best = (cost, text, box)
            else:
                text.remove()
        if best:
            taken.append(best[2])


def _overlap(a: Any, b: Any) -> float:
    """Return the area that two boxes share, in square pixels."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(0.0, width) * max(0.0, height)
