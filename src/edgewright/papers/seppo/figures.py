"""Draw Figs 2 to 11 of SE-PPO in both settings, battery life and scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap, joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.papers.seppo.behaviours import KINDS
from edgewright.papers.seppo.curves import curves_of
from edgewright.papers.seppo.jobs import COMPARED, PAIRS
from edgewright.papers.seppo.view import HEAVY, REFERENCE, SETTINGS, View, score_of
from edgewright.reporting import figures
from edgewright.reporting.panels import Sweep, curve_grid, dot_grid, sweep_grid
from edgewright.reporting.plot_data import Curve, Line, Row
from edgewright.studies.table import Table
from edgewright.systems.aigc.behaviour import CHARGE_BINS, MODES, categories

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REWARD, DELAY, ENERGY = "reward per slot (no unit)", "delay per task (s)", "energy per task (J)"
METRICS = {REWARD: "reward", DELAY: "delay_s", ENERGY: "energy_j"}
TITLES = {
    "paper": "the paper's setting: raw features, only SE-PPO (and PPO-Norm) normalised",
    "fair": "fair setting: the same features, normalisation and tuning budget for all",
}
SCORE = "score (0 = random, 1 = rollout-12)"


def drawings(table: Table) -> dict[str, tuple[str, Figure]]:
    """Return caption and drawing of every figure by name."""
    views = {setting: View(table, setting) for setting in SETTINGS}
    ablated = ("se-ppo", "ppo-norm", "ppo-lr", "ppo-plain")
    fixed = [f"{n}{v}" for n in ("se-ppo", "ppo") for v in ("", "-fixed-quality", "-fixed-weights")]
    return {
        "fig2": (
            "Fig. 2: SE-PPO with five pairs of rates for actor and critic.",
            _scores(views, list(PAIRS)),
        ),
        "fig3": (
            "Fig. 3: SE-PPO without its schedule, without normalisation, and without both.",
            _curves(views, ablated),
        ),
        "fig4": (
            "Fig. 4: one quality for all tasks, and weights that do not adapt (trained on equal "
            "weights, scored like all others).",
            _dots(views, fixed),
        ),
        "fig5-7": (
            "Figs 5, 6 and 7: greedy policies of four learners on the evaluation episodes, with "
            "rules, planner and bound as levels.",
            _curves(views, COMPARED, ("greedy", "heuristic", REFERENCE, "bound")),
        ),
        "fig8-9": (
            "Figs 8 and 9: one more server at a time, each with the same load of others.",
            _sweep(views),
        ),
        "fig10": ("Fig. 10: SE-PPO by the user's mode.", _modes(views)),
        **{
            f"fig11-{setting}": (
                f"Fig. 11: actions of SE-PPO by charge; {TITLES[setting]}.",
                _actions(views[setting]),
            )
            for setting in SETTINGS
        },
        "battery-life": (
            "Tasks served from a full battery to the floor of 10 %, which the paper claims to "
            "be more and does not show. A full server refuses a task here and does not end the "
            "episode; quality and refused tasks are among the raw numbers.",
            _life(views),
        ),
        "scores": ("Scores at the end of the training, on identical episodes.", _ends(views)),
    }


def _rows() -> list[str]:
    return [TITLES[setting] for setting in SETTINGS]


def _curves(
    views: dict[str, View], names: Sequence[str], levels: Sequence[str] = ("greedy", REFERENCE)
) -> Figure:
    cells = {}
    for setting, view in views.items():
        for column, metric in METRICS.items():
            curves = [
                Curve(name, view.get(name, "curves/steps")[0], view.get(name, f"curves/{metric}"))
                for name in names
            ]
            lines = [
                Line(
                    name,
                    float(view.get(name, f"episodes/{metric}").mean()),
                    is_bound=name == "bound",
                )
                for name in levels
                if metric == "reward" or name != "bound"
            ]
            cells[TITLES[setting], column] = curves, lines
    return curve_grid(_rows(), list(METRICS), cells)


def _scores(views: dict[str, View], names: Sequence[str]) -> Figure:
    cells = {}
    for setting, view in views.items():
        curves = [Curve(_pair(name), *curves_of(view, name)) for name in names]
        cells[TITLES[setting], "score (no unit)"] = curves, []
    return curve_grid(_rows(), ["score (no unit)"], cells)


def _pair(name: str) -> str:
    return " / ".join(f"{rate:.1e}".replace("e-0", "e-").replace(".0", "") for rate in PAIRS[name])


def mean_of(view: View, name: str, array: str, world: str = HEAVY) -> Interval:
    """Return the mean of an array of an arm over seeds and episodes, with its interval."""
    return joint_mean(view.get(name, array, world))


def score_interval(view: View, name: str, world: str = HEAVY) -> Interval:
    """Return the score of an arm with its interval."""
    arms = {
        n: {"reward": view.get(n, "episodes/reward", world)} for n in (name, "random", REFERENCE)
    }
    return joint_bootstrap(arms, lambda m: score_of(m, name))


def _dots(views: dict[str, View], names: Sequence[str]) -> Figure:
    cells = {
        (TITLES[setting], column): [
            Row.of(name, "learned", mean_of(view, name, f"episodes/{metric}")) for name in names
        ]
        for setting, view in views.items()
        for column, metric in METRICS.items()
    }
    return dot_grid(_rows(), list(METRICS), cells)


def _sweep(views: dict[str, View]) -> Figure:
    columns = {REWARD: "reward", ENERGY: "energy_j"}
    cells = {}
    for setting, view in views.items():
        worlds = view.worlds("servers-")
        x = [int(world.removeprefix("servers-")) for world in worlds]
        for column, metric in columns.items():
            sweeps = []
            rules = ("greedy", REFERENCE, *(("bound",) if metric == "reward" else ()))
            for name in (*COMPARED, *rules):
                means = [mean_of(view, name, f"episodes/{metric}", world) for world in worlds]
                low, high = [f.low for f in means], [f.high for f in means]
                sweeps.append(Sweep(name, x, [f.estimate for f in means], low, high, name in rules))
            cells[TITLES[setting], column] = sweeps
    return sweep_grid(_rows(), list(columns), cells, xlabel="number of servers")


def _modes(views: dict[str, View]) -> Figure:
    columns = {"quality (no unit)": "quality", DELAY: "delay_s", ENERGY: "energy_j"}
    cells = {}
    for setting, view in views.items():
        for column, metric in columns.items():
            arrays = {n: view.get("se-ppo", f"modes/{n}") for n in ("tasks", metric)}
            dots = []
            for n, mode in enumerate(MODES):
                interval = joint_bootstrap(
                    {"x": arrays},
                    lambda m, n=n, metric=metric: m["x"][metric][:, n] / m["x"]["tasks"][:, n],
                )
                dots.append(Row.of(mode, "learned", interval))
            cells[TITLES[setting], column] = dots
    return dot_grid(_rows(), list(columns), cells)


def _actions(view: View) -> Figure:
    tasks = view.get("se-ppo", "charge/tasks").sum(axis=(0, 1))
    counts = np.stack([view.get("se-ppo", f"charge/{k}").sum(axis=(0, 1)) for k in KINDS], axis=-1)
    labels = [f"{low:.0f}-{high:.0f} %" for low, high in CHARGE_BINS]
    shares = counts / np.maximum(tasks, 1)[:, None]
    return figures.action_shares(labels, categories(3), shares, "charge")


def _life(views: dict[str, View]) -> Figure:
    rows = []
    for setting, view in views.items():
        for name in (*COMPARED, "se-ppo-fixed-weights"):
            rows.append(Row.of(f"{name}, {setting}", "learned", mean_of(view, name, "life/tasks")))
    view = views[SETTINGS[0]]
    for name in ("greedy", "shadow-price", "heuristic", "heuristic-fair", "random"):
        rows.append(Row.of(name, "rule", mean_of(view, name, "life/tasks")))
    return figures.comparison(rows, xlabel="tasks served by a full battery")


def _ends(views: dict[str, View]) -> Figure:
    rows = []
    for setting, view in views.items():
        shown = ["se-ppo", "ppo-norm", "ppo-lr", "ppo", "a2c", "dqn"]
        for name in shown + ["se-ppo-steady"] * (setting == "fair"):
            rows.append(Row.of(f"{name}, {setting}", "learned", score_interval(view, name)))
    view = views[SETTINGS[0]]
    for name in ("shadow-price", "greedy", "heuristic-fair", "heuristic"):
        rows.append(Row.of(name, "rule", score_interval(view, name)))
    bound = Row.of("upper bound", "bound", score_interval(view, "bound"))
    return figures.comparison(rows, bound, xlabel=SCORE)
