"""Draw the figures of a study from plain data, each as a matplotlib ``Figure``.

Series differ in colour, marker and line style, so that a figure survives a colour-blind
reader and a grey printer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from edgewright.core.errors import InputError
from edgewright.evaluation.statistics import Band, Statistic, pointwise_band
from edgewright.reporting.annotations import (
    arrow,
    group_legend,
    label_points,
    legend,
    reference_lines,
    window,
)
from edgewright.reporting.plot_data import Curve, Line, Operating, Row
from edgewright.reporting.style import (
    BLACK,
    DASHES,
    GREY,
    MARKERS,
    PALETTE,
    SMALL,
    WIDE,
    WIDTH,
    _luminance,
    canvas,
    group,
    percent,
    shades,
    some,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_curve(
    curves: Sequence[Curve],
    references: Sequence[Line] = (),
    *,
    ylabel: str,
    xlabel: str = "environment steps",
    statistic: Statistic = np.mean,
    confidence: float = 0.95,
) -> Figure:
    """Draw ``statistic`` across seeds with its band, over labelled reference levels.

    The band is a pointwise percentile bootstrap over seeds; a single seed gets a line and no band.
    A level far from every curve is named at the edge with its value and does not squeeze the rest.

    Args:
        curves: at least one; each with its own steps.
        references: drawn across; a bound is dash-dotted, hatched on its unreachable side.
        ylabel: with unit.
        xlabel: with unit.
        statistic: ``np.mean`` or `interquartile_mean`.
        confidence: of the band.
    """
    from matplotlib.ticker import EngFormatter

    some(curves, "curves")
    with style():
        figure, (axes,) = canvas(WIDTH, 2.9)
        extremes, seeds = [], set()
        for i, curve in enumerate(curves):
            steps, values = _checked(curve)
            band = pointwise_band(values, statistic, confidence=confidence)
            colour = PALETTE[i % len(PALETTE)]
            axes.plot(
                steps,
                band.estimate,
                color=colour,
                linestyle=DASHES[i % len(DASHES)],
                marker=MARKERS[i % len(MARKERS)],
                markevery=(i % 4, max(4, steps.size // 7)) if steps.size > 8 else 1,
                label=curve.label,
            )
            if values.shape[0] > 1:
                axes.fill_between(steps, band.low, band.high, color=colour, alpha=0.18, lw=0)
            extremes += [float(band.low.min()), float(band.high.max())]
            seeds.add(values.shape[0])
        low, high = min(extremes), max(extremes)
        span = high - low or 1.0
        near = [r.value for r in references if low - 1.5 * span <= r.value <= high + 1.5 * span]
        low, high = min([low, *near]), max([high, *near])
        margin = 0.06 * (high - low or 1.0)
        axes.set_ylim(low - margin, high + margin)
        axes.margins(x=0.02)
        axes.locator_params(axis="x", nbins=7)
        middle = float(np.mean([np.mean(np.asarray(c.values, float)[:, -1]) for c in curves]))
        reference_lines(axes, references, middle)
        axes.xaxis.set_major_formatter(EngFormatter(sep="\N{NO-BREAK SPACE}"))
        axes.set(xlabel=xlabel, ylabel=ylabel)
        legend(figure, _over_seeds(statistic, confidence, seeds))
    return figure


def _checked(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps ``[k]`` and values ``[seeds, k]`` of a curve.

    Raises:
        InputError: the shapes do not fit.
    """
    steps, values = np.asarray(curve.steps, float), np.asarray(curve.values, float)
    if values.ndim != 2 or steps.shape != values.shape[1:]:
        raise InputError(
            f"curve '{curve.label}' has steps {steps.shape} and values {values.shape}",
            hint="steps [k] and values [seeds, k] are needed",
        )
    return steps, values


def _over_seeds(statistic: Statistic, confidence: float, seeds: set[int]) -> str:
    """Return the title of the legend: the statistic, its band and the number of seeds."""
    if max(seeds) == 1:
        return "one seed"
    names = {"mean": "mean", "median": "median", "interquartile_mean": "interquartile mean"}
    name = names.get(getattr(statistic, "__name__", ""), "statistic")
    count = "/".join(str(n) for n in sorted(seeds))
    return f"{name}, {percent(confidence)} band over {count} seeds"


def comparison(rows: Sequence[Row], bound: Row | None = None, *, xlabel: str) -> Figure:
    """Draw one dot and interval per policy, top down in the order given, coloured by group.

    An arrow at the edge of the axis stands for a policy far away from all others (a random one,
    say), so that it does not squeeze the rest. Its number stands at the right like any other's.

    Args:
        rows: at least one.
        bound: drawn across as a dash-dotted line, its interval hatched.
        xlabel: with unit.
    """
    some(rows, "rows")
    everyone = [*rows, bound] if bound else list(rows)
    left, right = window(everyone)
    margin = 0.06 * (right - left)
    left, right = left - margin, right + margin
    digits = int(np.clip(2 - np.floor(np.log10(right - left)), 0, 6))
    with style():
        figure, (axes,) = canvas(WIDTH, 0.95 + 0.2 * len(everyone))
        axes.grid(False, axis="y")
        for y, row in enumerate(everyone):
            colour, marker = group(row.group)
            number = f"{row.estimate:.{digits}f}"
            if row.high > row.low:
                number += f"  [{row.low:.{digits}f}, {row.high:.{digits}f}]"
            axes.text(
                1.02, y, number, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL
            )
            if left <= row.estimate <= right:
                ends = np.clip([row.low, row.high], left, right)
                axes.plot(ends, [y, y], color=colour, lw=1.6, solid_capstyle="butt")
                size = 8 if marker == "|" else 5
                axes.plot(row.estimate, y, marker=marker, color=colour, markersize=size)
            else:
                arrow(axes, row.estimate < left, y, f"{row.estimate:.{digits}f}", colour)
        if bound and left <= bound.estimate <= right:
            axes.axvline(bound.estimate, color=BLACK, lw=0.9, ls="-.", zorder=0.9)
            hatch = {"facecolor": "none", "edgecolor": "#B0B0B0", "hatch": "//////", "lw": 0}
            axes.axvspan(bound.low, bound.high, zorder=0.8, **hatch)
        axes.set_yticks(range(len(everyone)), [row.label for row in everyone])
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.set(xlim=(left, right), ylim=(len(everyone) - 0.4, -0.6), xlabel=xlabel)
        group_legend(figure, [row.group for row in everyone], linewidth=1.6)
    return figure


def trade_off(
    rows: Sequence[Operating], *, quality_label: str = "mean quality (no unit)"
) -> Figure:
    """Draw delay against energy, and quality against delay, one labelled point per policy.

    An axis whose values span more than a factor of 30 is logarithmic.
    """
    some(rows, "rows")
    delay, energy = "mean delay per task (s)", "mean energy per task (J)"
    with style():
        figure, panels = canvas(WIDE, 2.9, panels=2)
        wanted = (
            ("energy_j", "delay_s", energy, delay),
            ("delay_s", "quality", delay, quality_label),
        )
        for axes, (x, y, xlabel, ylabel) in zip(panels, wanted, strict=True):
            for row in rows:
                colour, marker = group(row.group)
                axes.plot(getattr(row, x), getattr(row, y), marker=marker, color=colour, ls="")
            for key, name in ((x, "x"), (y, "y")):
                numbers = [getattr(row, key) for row in rows]
                if min(numbers) > 0 and max(numbers) > 30 * min(numbers):
                    axes.set(**{f"{name}scale": "log"})
            axes.margins(0.16)
            axes.set(xlabel=xlabel, ylabel=ylabel)
        group_legend(figure, [row.group for row in rows], linewidth=0.0)
        figure.draw_without_rendering()
        for axes, (x, y, _, _) in zip(panels, wanted, strict=True):
            label_points(axes, [(getattr(r, x), getattr(r, y), r.label) for r in rows])
        panels[0].set_title("better: lower left", loc="right", color=GREY, fontsize=SMALL)
        panels[1].set_title("better: upper left", loc="right", color=GREY, fontsize=SMALL)
    return figure


def action_shares(
    labels: Sequence[str], categories: Sequence[str], shares: ArrayLike, title: str
) -> Figure:
    """Draw how often each action is taken in each bin, as stacked bars that add up to 100 %.

    Args:
        labels: the bins, top down, e.g. ``"10-30 %"``.
        categories: ``"<location> <quality>"``, e.g. ``"local low"``: the location chooses the hue
            and the quality (from low to high, in order of appearance) the lightness.
        shares: shape [bins, categories]; each row adds up to 1, or is all 0 where nothing happened.
        title: what the bins are.
    """
    array = np.asarray(shares, float)
    if array.shape != (len(labels), len(categories)) or array.size == 0:
        raise InputError(
            f"'shares' has shape {array.shape}, not ({len(labels)}, {len(categories)})",
            hint="one row per bin and one column per category",
        )
    total = array.sum(axis=1)
    if not np.all(array >= 0) or not np.all((np.abs(total - 1) < 1e-6) | (total == 0)):
        raise InputError(f"the rows of 'shares' add up to {total}", hint="each must add up to 1")
    colours = shades(categories)
    with style():
        figure, (axes,) = canvas(WIDTH, 1.15 + 0.3 * max(4, len(labels)))
        axes.grid(False)
        start = np.zeros(len(labels))
        for category, colour, column in zip(categories, colours, array.T, strict=True):
            bars = {"height": 0.72, "color": colour, "edgecolor": "white", "linewidth": 0.6}
            axes.barh(np.arange(len(labels)), column, left=start, label=category, **bars)
            ink = "white" if _luminance(colour) < 0.45 else "black"
            for y in np.flatnonzero(column >= 0.075).tolist():
                at = start[y] + column[y] / 2
                text = percent(column[y])
                axes.text(at, y, text, ha="center", va="center", color=ink, fontsize=SMALL)
            start = start + column
        for y in np.flatnonzero(total == 0).tolist():
            axes.text(0.01, y, "no decisions", va="center", color=GREY, fontsize=SMALL)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_xticks(np.linspace(0, 1, 6), [f"{p}" for p in range(0, 101, 20)])
        axes.tick_params(axis="y", length=0)
        axes.set(xlim=(0, 1), ylim=(len(labels) - 0.5, -0.5), xlabel="share of decisions (%)")
        axes.set_ylabel(title)
        locations = {category.rsplit(" ", 1)[0] for category in categories}
        figure.legend(loc="outside upper left", ncols=len(locations), handlelength=1.2)
    return figure


def performance_profiles(
    thresholds: ArrayLike, bands: Mapping[str, Band], *, xlabel: str, over: str = "runs"
) -> Figure:
    """Draw performance profiles, the share of runs above each threshold; higher is better.

    Args:
        thresholds: shape [k].
        bands: label to what `performance_profile` returns, each [k].
        xlabel: with unit.
        over: what was counted.
    """
    some(list(bands), "bands")
    at = np.asarray(thresholds, float)
    with style():
        figure, (axes,) = canvas(WIDTH, 2.9)
        for i, (label, band) in enumerate(bands.items()):
            colour = PALETTE[i % len(PALETTE)]
            line = {"color": colour, "ls": DASHES[i % len(DASHES)], "label": label}
            axes.plot(at, 100 * band.estimate, drawstyle="steps-post", **line)
            low, high = 100 * band.low, 100 * band.high
            axes.fill_between(at, low, high, step="post", color=colour, alpha=0.18, lw=0)
        axes.set(xlabel=xlabel, ylabel=f"{over} above (%)", ylim=(-2, 102))
        axes.margins(x=0.0)
        legend(figure, f"share of {over}, 95\N{NO-BREAK SPACE}% pointwise band")
    return figure


__all__ = [
    "Curve",
    "Line",
    "Operating",
    "Row",
    "action_shares",
    "comparison",
    "learning_curve",
    "performance_profiles",
    "trade_off",
]
