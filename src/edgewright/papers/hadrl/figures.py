"""Draw the figures of the HADRL study, from its policies to the speed of decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.papers.hadrl.jobs import ABLATED, LONG, PUBLISHED_RULES, SWEPT_RULES
from edgewright.papers.hadrl.measures import difference, ratio
from edgewright.papers.hadrl.view import LEARNERS, LEVELS, METRICS, ORACLES_IN, RULES, TITLES, View
from edgewright.papers.hadrl.worlds import SWEEPS, worlds_in
from edgewright.reporting import figures
from edgewright.reporting.panels import Sweep, curve_grid, dot_grid, sweep_grid
from edgewright.reporting.plot_data import Curve, Line, Row
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = tuple[str, "Figure"]

DECISION = "duration of a decision (ms)"

VARIANT_TITLES = {
    "published": "as published: 200 GiB, nothing binds",
    "small-caches": "caches of 40 GiB, published rule of capacity",
    "projected": "caches of 40 GiB that hold what fits",
    "budget": "200 GiB, shares that sum to one",
    "repaired": "both repaired",
}


def drawings(table: Table) -> dict[str, Drawn]:
    """Return caption and drawing of every figure by name."""
    views, ablated = main_views(table), ablated_views(table)
    drawn = {"policies": _policies(views), "curves": _curves(views)}
    drawn["ablations"] = _ablations(ablated)
    drawn |= {f"reward-{world}": _reward(view) for world, view in views.items()}
    drawn |= {kind: _sweep(table, kind) for kind in SWEEPS}
    drawn |= {"loopholes": _loopholes(table), "decision-time": _speed(views)}
    return {**drawn, "decision-time-servers": _speed_along(table)}


def main_views(table: Table) -> dict[str, View]:
    """Return the views of the worlds in which learners were compared."""
    views = {world: View(table, world) for world in TITLES}
    return {world: view for world, view in views.items() if view.has("ppo-ppo")}


def ablated_views(table: Table) -> dict[str, View]:
    """Return the views of the worlds in which variants of HADRL were compared."""
    views = {world: View(table, world) for world in TITLES}
    return {world: view for world, view in views.items() if view.has("hadrl-none")}


def _ranked(view: View) -> list[tuple[str, str]]:
    """Return name and group of learners and rules, the best first."""
    named = [(name, "learned") for name in (*LEARNERS, LONG, *LEVELS)]
    named += [(name, "rule") for name in RULES]
    named += [(name, "oracle") for name in ORACLES_IN.get(view.setting, ())]
    named = [one for one in named if view.has(one[0])]
    return sorted(named, key=lambda one: -float(view.get(one[0], "reward").mean()))


def _policies(views: dict[str, View]) -> Drawn:
    metrics = ("hits", "latency", "latency_p95")
    cells = {
        (TITLES[world], METRICS[metric].axis): [
            Row.of(name, group, joint_mean(view.get(name, metric))) for name, group in _ranked(view)
        ]
        for world, view in views.items()
        for metric in metrics
    }
    caption = "Learners and rules on identical held-out episodes, the best mean reward first."
    rows, columns = [TITLES[world] for world in views], [METRICS[m].axis for m in metrics]
    return caption, dot_grid(rows, columns, cells)


def _curves(views: dict[str, View]) -> Drawn:
    metrics, levels = ("reward", "hits", "latency"), ("spread+search-root", "bound")
    cells = {}
    for world, view in views.items():
        for metric in metrics:
            array = METRICS[metric].array
            curves = [
                Curve(
                    name,
                    view.table.array(f"{world}/{name}", "curves/steps")[0],
                    view.table.array(f"{world}/{name}", f"curves/{array}"),
                )
                for name in LEARNERS
            ]
            lines = [
                Line(name, float(view.get(name, metric).mean()), is_bound=name == "bound")
                for name in levels
                if metric == "reward" or name != "bound"
            ]
            cells[TITLES[world], METRICS[metric].axis] = curves, lines
    caption = "Greedy policies of the learners on the held-out episodes while they learn."
    rows, columns = [TITLES[world] for world in views], [METRICS[m].axis for m in metrics]
    return caption, curve_grid(rows, columns, cells)


def _ablations(views: dict[str, View]) -> Drawn:
    columns = {
        "reward": "reward per slot less that of HADRL",
        "latency": "mean latency against HADRL (%)",
    }
    cells = {}
    for world, view in views.items():
        names = [name for name in ABLATED if view.has(name)]
        cells |= {
            (TITLES[world], columns["reward"]): [
                Row.of(name, "learned", difference(view, name, "hadrl", "reward")) for name in names
            ],
            (TITLES[world], columns["latency"]): [
                Row.of(name, "learned", ratio(view, name, "hadrl", "latency")) for name in names
            ],
        }
    caption = (
        "HADRL with one thing changed, against HADRL itself (horizon 1, information gain, an "
        "ensemble of five) on the same episodes. At zero the change makes no difference."
    )
    figure = dot_grid([TITLES[world] for world in views], list(columns.values()), cells)
    for axes in figure.axes:
        axes.axvline(0.0, color="#808080", lw=0.8, zorder=0.5)
    return caption, figure


def _reward(view: View) -> Drawn:
    rows = [
        Row.of(name, group, joint_mean(view.get(name, "reward"))) for name, group in _ranked(view)
    ]
    bound = Row.of("bound", "bound", joint_mean(view.get("bound", "reward")))
    caption = (
        f"{TITLES[view.setting]}. Reward per slot, which is minus latency and weighted switch "
        "cost; no policy can pass the bound, and perhaps none can reach it."
    )
    return caption, figures.comparison(rows, bound, xlabel=METRICS["reward"].axis)


def _line(name: str, x: Sequence[float], values: Sequence[Interval], reference: bool) -> Sweep:
    return Sweep(
        name,
        x,
        [v.estimate for v in values],
        [v.low for v in values],
        [v.high for v in values],
        reference,
    )


def _lines(table: Table, kind: str, values: Callable[[str, str], np.ndarray]) -> list[Sweep]:
    """Return learners and rules along a sweep; ``values`` takes the policy and the world."""
    view, worlds = View(table, "sweeps"), worlds_in(kind, table.results)
    drawn = []
    for name in (*LEARNERS, *SWEPT_RULES):
        at = [(x, world) for x, world in worlds if view.has(name, world)]
        if len(at) > 1:
            means = [joint_mean(values(name, world)) for _, world in at]
            drawn.append(_line(name, [x for x, _ in at], means, name not in LEARNERS))
    return drawn


def _sweep(table: Table, kind: str) -> Drawn:
    view = View(table, "sweeps")
    cells = {
        ("", METRICS[metric].axis): _lines(
            table, kind, lambda name, world, m=metric: view.get(name, m, world)
        )
        for metric in ("hits", "latency", "latency_p95", "switch")
    }
    caption = f"Nothing but the {SWEEPS[kind].words.split(' (')[0]} changes. Rules are grey."
    columns = [column for _, column in cells]
    return caption, sweep_grid([""], columns, cells, xlabel=SWEEPS[kind].words)


def _loopholes(table: Table) -> Drawn:
    view = View(table, "loopholes")
    cells = {}
    for variant, title in VARIANT_TITLES.items():
        worlds = worlds_in(variant, table.results)
        for metric in ("hits", "latency", "switch"):
            x = [value for value, _ in worlds]
            means = {
                name: [joint_mean(view.get(name, metric, world)) for _, world in worlds]
                for name in PUBLISHED_RULES
            }
            cells[title, METRICS[metric].axis] = [
                _line(name, x, values, reference=False) for name, values in means.items()
            ]
    caption = (
        "The published presets, whose other constants change with the number of servers as well, "
        "with each loophole open or closed. Where nothing binds, caching everything has a hit "
        "ratio of 1, and shares of zero, worth 20 or 30 % of a server each, beat the optimal "
        "division."
    )
    columns = list(dict.fromkeys(column for _, column in cells))
    return caption, sweep_grid(list(VARIANT_TITLES.values()), columns, cells, xlabel="servers M")


def _speed(views: dict[str, View]) -> Drawn:
    cells = {
        (TITLES[world], DECISION): [
            Row.of(name, group, joint_mean(view.decision_ms(name))) for name, group in _ranked(view)
        ]
        for world, view in views.items()
    }
    title = "mean, 95\N{NO-BREAK SPACE}% interval over repeats"
    figure = dot_grid([TITLES[world] for world in views], [DECISION], cells, title=title)
    everything = [end for rows in cells.values() for row in rows for end in (row.low, row.high)]
    for axes in figure.axes:
        axes.set_xscale("log")
        axes.set_xlim(min(everything) / 1.5, max(everything) * 1.5)
    caption = (
        "One decision at a time on one core, called from Python while other jobs of the study may "
        "have been running. Below 0.1 ms most of it is the call itself."
    )
    return caption, figure


def _speed_along(table: Table) -> Drawn:
    view = View(table, "sweeps")
    lines = _lines(table, "servers", lambda name, world: view.decision_ms(name, world))
    figure = sweep_grid([""], [DECISION], {("", DECISION): lines}, xlabel=SWEEPS["servers"].words)
    for axes in figure.axes:
        low, high = axes.get_ylim()
        axes.set_yscale("log")
        axes.set_ylim(max(low, 0.01), high)
    return "The same along the number of servers.", figure
