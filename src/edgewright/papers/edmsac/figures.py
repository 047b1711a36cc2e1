"""Draw mechanisms, menus, learners, gains, pruning and denoising for the EDMSAC study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.papers.edmsac.matrices import menus
from edgewright.papers.edmsac.measures import SOLD, difference, gain_interval
from edgewright.papers.edmsac.view import View
from edgewright.papers.edmsac.worlds import (
    ABLATED,
    BASIC,
    CONTROLS,
    DENOISING,
    KEPT,
    MAIN,
    PAIRS,
    RULES,
    TITLES,
)
from edgewright.reporting.panels import Sweep, curve_grid, dot_grid, sweep_grid
from edgewright.reporting.plot_data import Curve, Line, Row
from edgewright.studies.table import Table
from edgewright.systems.contract.baselines.mechanisms import MECHANISMS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = tuple[str, "Figure"]

SHARE = "share of the optimum (%)"


def drawings(table: Table) -> dict[str, Drawn]:
    """Return caption and drawing of every figure by name: M1, M2, A1 to A4, and the gains."""
    view = View(table, MAIN)
    drawn = {
        "persistence": _persistence(table),
        "menus": menus(table),
        "learners": _learners(table),
        "curves": _curves(table),
        "gains": _gains(table),
        "pruning": _pruning(view),
        "denoising": _denoising(view),
        "ablations": _against(view, ABLATED, "dmsac"),
    }
    return {**drawn, "controls": _against(view, ("dmsac", *CONTROLS), "edmsac")}


def worlds_in(table: Table) -> list[str]:
    """Return the worlds that were measured."""
    return [world for world in TITLES if f"{world}/dmsac" in table.results]


def _persistence(table: Table) -> Drawn:
    result = table["persistence"].arrays
    rho = result["profit/rho"][0]
    lines = [
        Sweep(name, rho, profit, profit, profit, name == "complete-information")
        for name in MECHANISMS
        for profit in [result[f"profit/{name}"][0]]
    ]
    column = "profit for each server"
    caption = (
        "Exact profit of the eight mechanisms in contract-d3 while types persist more and more. "
        "What dynamic menus gain over static ones falls with it."
    )
    words = "persistence of types rho (no unit)"
    return caption, sweep_grid([""], [column], {("", column): lines}, xlabel=words)


def _learners(table: Table) -> Drawn:
    cells, worlds = {}, worlds_in(table)
    for world in worlds:
        view = View(table, world)
        named = [(n, "learned") for n in BASIC] + [
            (n, "oracle" if n == "per-period" else "rule") for n in RULES
        ]
        rows = [
            Row.of(name, group, joint_mean(100 * np.maximum(view.get(name, "share"), -1.0)))
            for name, group in named
            if view.has(name)
        ]
        cells[TITLES[world], SHARE] = sorted(rows, key=lambda row: -row.estimate)
    caption = (
        "Profit from rational servers over the exact optimum of the same markets. A market in "
        "which the cloud loses more than the optimum counts as -100 %. best-of-1000 and "
        "per-period know the reward of every menu."
    )
    return caption, dot_grid([TITLES[world] for world in worlds], [SHARE], cells)


def _curves(table: Table) -> Drawn:
    variants = ("d3-raw-harsh", "d3-raw-floor")
    cells, worlds = {}, [world for world in worlds_in(table) if world not in variants]
    columns = {"reward": "profit from rational servers", "training_reward": "penalised reward"}
    for world in worlds:
        view = View(table, world)
        best = [Line("optimum", float(view.get("bound").mean()), is_bound=True)]
        for array, column in columns.items():
            curves = [
                Curve(
                    name,
                    table.array(f"{world}/{name}", "curves/steps")[0],
                    table.array(f"{world}/{name}", f"curves/{array}"),
                )
                for name in BASIC
                if view.has(name)
            ]
            cells[TITLES[world], column] = curves, best if array == "reward" else []
    caption = (
        "Greedy policies while they learn. The learner maximises the penalised reward on the "
        "right; servers answer as on the left."
    )
    return caption, curve_grid([TITLES[w] for w in worlds], list(columns.values()), cells)


def _gains(table: Table) -> Drawn:
    column, rows = "gain of EDMSAC over DMSAC (% of DMSAC's profit)", []
    for world, ours, other in PAIRS:
        view = View(table, world)
        if view.has(ours) and view.has(other) and view.get(other, "share").mean() >= SOLD:
            label = f"{world}: {ours} / {other}"
            rows.append(Row.of(label, "learned", gain_interval(view, ours, other)))
    figure = dot_grid([""], [column], {("", column): rows})
    for axes in figure.axes:
        axes.axvline(0.0, color="#808080", lw=0.8, zorder=0.5)
    caption = (
        "The grid over which 'up to' is taken, paired seeds. Cells in which DMSAC has less than "
        f"{100 * SOLD:.0f} % of the optimum have no per cent and are left out."
    )
    return caption, figure


def _pruning(view: View) -> Drawn:
    shares = {share: name for share, name in sorted(KEPT.items()) if view.has(name)}
    if view.has("dmsac"):
        shares[100] = "dmsac"
    x = list(shares)
    values = {
        SHARE: [joint_mean(100 * view.get(name, "share")) for name in shares.values()],
        "parameters (thousands)": [
            joint_mean(view.actor(name, "parameters") / 1e3) for name in shares.values()
        ],
        "denoising 256 (ms)": [joint_mean(view.duration(name, 256)) for name in shares.values()],
    }
    cells = {("", column): [_line("EDMSAC", x, line)] for column, line in values.items()}
    caption = (
        "Share of hidden units that stay, in random markets; 100 is DMSAC. Durations are those of "
        "the smaller network, measured while other jobs of the study may have been running."
    )
    return caption, sweep_grid([""], list(values), cells, xlabel="units that stay (%)")


def _denoising(view: View) -> Drawn:
    steps = {count: name for count, name in DENOISING.items() if view.has(name)}
    values = {
        SHARE: [joint_mean(100 * view.get(name, "share")) for name in steps.values()],
        "denoising 256 (ms)": [joint_mean(view.duration(name, 256)) for name in steps.values()],
    }
    cells = {("", column): [_line("DMSAC", list(steps), line)] for column, line in values.items()}
    caption = "Denoising steps T of DMSAC in random markets."
    return caption, sweep_grid([""], list(values), cells, xlabel="denoising steps T")


def _against(view: View, names: tuple[str, ...], base: str) -> Drawn:
    columns = {"share": f"share of the optimum less that of {base} (points of %)"}
    rows = []
    for name in names:
        if view.has(name) and view.has(base):
            apart = difference(view, name, base, "share")
            ends = (100 * x for x in (apart.estimate, apart.low, apart.high))
            rows.append(Row(name, "learned", *ends))
    figure = dot_grid([""], list(columns.values()), {("", columns["share"]): rows})
    for axes in figure.axes:
        axes.axvline(0.0, color="#808080", lw=0.8, zorder=0.5)
    caption = f"Learners with one thing changed, against {base}, on the same markets and seeds."
    return caption, figure


def _line(name: str, x: list[int], values: list[Interval]) -> Sweep:
    low, high = [v.low for v in values], [v.high for v in values]
    return Sweep(name, x, [v.estimate for v in values], low, high)


__all__ = ["drawings", "worlds_in"]
