"""Draw the first four figures of a testbed's report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgewright.reporting.style import BLUE, GREY, MARKERS, ORANGE, PALETTE, canvas, style, to_svg
from edgewright.testbed.blocks import TESTBED, WORLD
from edgewright.testbed.drawn import SHARES

WIDTH = 6.4
COLUMNS = 4
SIDES = ((TESTBED, BLUE, "o", "testbed"), (WORLD, ORANGE, "s", "simulator"))


def calibration_figure(facts: dict[str, Any]) -> str:
    """Return services, actual over calibrated, and bandwidth, measured beside the link's, as SVG.

    Args:
        facts: of :func:`~edgewright.testbed.report.report`.
    """
    drawn, workers = facts["drawn"], facts["conditions"]["workers"]
    with style():
        figure, (left, right) = canvas(WIDTH, 2.7, 2)
        for location, worker in enumerate(workers):
            rows = [one for one in drawn["services"] if one["location"] == location]
            axis = [[one[key] for one in rows] for key in ("calibrated_s", "actual_s")]
            left.plot(*axis, MARKERS[location % len(MARKERS)], ms=3, alpha=0.6, mfc="none",
                      color=PALETTE[location % len(PALETTE)], label=worker["name"])  # fmt: skip
        ends = [one["calibrated_s"] for one in drawn["services"]] or [0.1, 1.0]
        left.plot([min(ends), max(ends)], [min(ends), max(ends)], color=GREY, lw=0.8, zorder=0)
        left.set(xlabel="calibrated service (s)", ylabel="service in the blocks (s)")
        left.set(xscale="log", yscale="log")
        right.set(xscale="log")
        for axis in (left.xaxis, left.yaxis, right.xaxis):
            _plain_numbers(axis)
        left.legend()
        for name, colour in (("measured", BLUE), ("link", ORANGE)):
            if values := drawn["bandwidth"][name]:
                label = "measured, and assumed" if name == "measured" else "the link had"
                right.plot(values, SHARES, color=colour, label=label)
        right.set(xlabel="bandwidth (Mbit/s)", ylabel="share at most this")
        right.legend()
        return to_svg(figure)


def _plain_numbers(axis: Any) -> None:
    """Write plain numbers at 1, 2 and 5 of each decade of a logarithmic axis."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_locator(NullLocator())


def delay_figure(facts: dict[str, Any], delays: dict[str, Any]) -> str:
    """Return the distribution functions of delays of every policy on both sides as SVG.

    Args:
        delays: quantiles by policy and side, see :func:`~edgewright.testbed.drawn.points`.
    """
    rows = -(-len(delays) // COLUMNS)
    with style():
        figure, _ = canvas(WIDTH, 1.5 * rows + 0.5, 0)
        grid = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True)
        panels = grid.ravel()
        for axes, (name, sides) in zip(panels, delays.items(), strict=False):
            for side, colour, _, label in SIDES:
                if sides[side]:
                    axes.plot(sides[side], SHARES, color=colour, label=label)
            axes.axvline(facts["conditions"]["slo_s"], color=GREY, lw=0.8, ls=":")
            axes.set_title(name)
            axes.set_xlim(left=0.0)
        for axes in panels[len(delays) :]:
            axes.set_axis_off()
        figure.supxlabel("delay (s)", fontsize=8)
        figure.supylabel("share at most this", fontsize=8)
        panels[0].legend(loc="lower right")
        return to_svg(figure)


def rank_figure(ranks: dict[str, Any]) -> str:
    """Return the ranks of all policies on both sides, with their intervals, as SVG."""
    order = sorted(ranks, key=lambda name: ranks[name][TESTBED]["value"])
    text = "rank by mean reward, 1 is the best"
    return _both_sides(order, [ranks[name] for name in order], text)


def difference_figure(regret: dict[str, Any]) -> str:
    """Return what policies earn less than the best one, paired by request, as SVG."""
    behind = {name: one for name, one in regret["behind"].items() if name != regret["best"]}
    order = sorted(behind, key=lambda name: behind[name][TESTBED]["value"])
    text = f"reward of {regret['best']} minus that of the policy, on the same requests"
    return _both_sides(order, [behind[name] for name in order], text, zero=True)


def _both_sides(
    names: Sequence[str], rows: Sequence[dict[str, Any]], label: str, zero: bool = False
) -> str:
    """Return a number of every policy on both sides with its interval, as SVG."""
    with style():
        figure, (axes,) = canvas(WIDTH, 0.32 * len(names) + 0.9, 1)
        for offset, (side, colour, marker, name) in zip((-0.13, 0.13), SIDES, strict=True):
            at = [n + offset for n in range(len(names))]
            values = [row[side]["value"] for row in rows]
            spread = [
                [max(0.0, row[side]["value"] - row[side]["low"]) for row in rows],
                [max(0.0, row[side]["high"] - row[side]["value"]) for row in rows],
            ]
            axes.errorbar(values, at, xerr=spread, fmt=marker, color=colour, capsize=2, label=name)
        if zero:
            axes.axvline(0.0, color=GREY, lw=0.8)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(label)
        axes.legend()
        return to_svg(figure)
