"""Measures, figures and words of the study on recorded inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewright.evaluation.joint_bootstrap import Means, joint_bootstrap
from edgewright.papers.seppo.figures import TITLES, score_interval
from edgewright.papers.seppo.page import EPISODE_COLUMNS
from edgewright.papers.seppo.trace.jobs import (
    ALONE,
    COMPARED,
    JUDGED,
    SOURCES,
    from_source,
    sizes,
)
from edgewright.papers.seppo.view import REFERENCE, SETTINGS, View, score_of
from edgewright.reporting import html
from edgewright.reporting.panels import dot_grid
from edgewright.reporting.plot_data import Row
from edgewright.studies.claim import Measured
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPOSITION = (
    "Recorded: bandwidth from Norway HSDPA and Oboe logs (3G/4G), scaled to a mean of 100 Mbit/s; "
    "gaps between tasks and load of others both from the Azure LLM request log of 2023. Training "
    "part and held-out part are each scaled to the means of the synthetic inputs, so a shift of "
    "the level between them is taken away. Every input plays at a phase of its own, and no public "
    "data hold the joint trace. Held out: 30 % of the bandwidth files and the last 30 % (by time) "
    "of the one request log."
)


def generalises(view: View, ours: str, others: Sequence[str], world: str) -> Measured:
    """Measure how much less a learner loses by training on synthetic inputs than the others do."""
    results = {}
    for other in others:
        names = [from_source(n, s) for n in (ours, other) for s in ("recorded", "synthetic")]
        arms = {
            n: {"reward": view.get(n, "episodes/reward", world)}
            for n in (*names, "random", REFERENCE)
        }

        def less(means: Means, names: list[str] = names) -> np.ndarray:
            a, b, c, d = (score_of(means, name) for name in names)
            return (c - d) - (a - b)

        results[other] = joint_bootstrap(arms, less)
    other, interval = min(results.items(), key=lambda item: item[1].low)
    quantity = (
        f"score that {other} loses by training on synthetic rather than recorded inputs less what "
        f"{ours} loses, the closest of {len(others)}"
    )
    seeds = view.seeds(*(from_source(n, "synthetic") for n in (ours, *others)), world=world)
    return Measured(interval.estimate, interval.low, interval.high, quantity, seeds)


def drawings(table: Table) -> dict[str, tuple[str, Figure]]:
    """Return caption and drawing of every figure by name."""
    return {
        "sources": (
            "Where a learner was trained, and how it does on held-out recordings and on synthetic "
            f"inputs. {COMPOSITION}",
            _grid(table, JUDGED, COMPARED, tuple(SOURCES)),
        ),
        "inputs": (
            "SE-PPO where one input is recorded and the others are synthetic. " + COMPOSITION,
            _grid(table, tuple(ALONE), ("se-ppo",), tuple(SOURCES)),
        ),
    }


def _grid(
    table: Table, worlds: Sequence[str], names: Sequence[str], sources: Sequence[str]
) -> Figure:
    titles = {world: f"score on {world} inputs" for world in JUDGED}
    columns = {titles.get(world, f"score, {world} recorded"): world for world in worlds}
    cells = {}
    for setting in SETTINGS:
        view = View(table, setting)
        for column, world in columns.items():
            labels = [(f"{n}, {s}", from_source(n, s), "learned") for n in names for s in sources]
            labels += [(n, n, "rule") for n in ("greedy", "heuristic-fair")]
            labels += [("upper bound", "bound", "bound")]
            dots = []
            for label, name, group in labels:
                results = score_interval(view, name, world)
                dots.append(Row.of(label, group, results))
            cells[TITLES[setting], column] = dots
    rows = [TITLES[setting] for setting in SETTINGS]
    title = f"score: 0 = random, 1 = {REFERENCE}; mean, 95 % interval over seeds and episodes"
    return dot_grid(rows, list(columns), cells, title=title)


def notes(table: Table) -> list[str]:
    """Return what a reader must know."""
    size = sizes(table.plan)
    paragraphs = [
        COMPOSITION,
        "A bandwidth row stands for a slot of its log, while the gap to the next task is the "
        "recorded one. A scaled 3G log is not a 5G link.",
        f"Every learner is trained for {size.main:.0f} steps on each source: synthetic "
        "(aigc-heavy), calibrated (synthetic with the statistics of the recordings) and recorded "
        "(train part). Settings as in the study seppo; rates of the fair setting are chosen on "
        "synthetic inputs, which may favour them.",
        "The recordings are few: of each input a handful of episodes is held out, and the "
        f"{size.episodes} evaluation episodes are overlapping cuts of them. The intervals speak of "
        "new cuts, not of new recordings, and are too narrow for those.",
    ]
    if table.plan.quick:
        paragraphs.append(f"This is the quick plan, with {table.plan.seeds} seeds: a preview.")
    return paragraphs


def sections(table: Table) -> list[html.Section]:
    """Return the raw numbers."""
    rows = []
    for setting in SETTINGS:
        view = View(table, setting)
        learned = [from_source(n, s) for n in COMPARED for s in SOURCES]
        for name in [
            *learned,
            *(("greedy", "heuristic-fair", REFERENCE) if setting == "fair" else ()),
        ]:
            for world in JUDGED:
                arrays = view.table[view.key(name, world)].arrays
                row = {"policy": name, "setting": setting if name in learned else "", "on": world}
                row |= {
                    metric: float(arrays[f"episodes/{metric}"].mean())
                    for metric in ("reward", "delay_s", "energy_j", "quality")
                }
                row["terminated"] = 100 * float(arrays["episodes/terminated"].mean())
                rows.append({**row, "score": score_interval(view, name, world)})
    columns = [
        html.Column("policy", "policy"),
        html.Column("setting", "setting"),
        html.Column("on", "judged on"),
        *EPISODE_COLUMNS,
    ]
    return [html.Section("Raw numbers", [COMPOSITION], table=html.Table(columns, rows))]
