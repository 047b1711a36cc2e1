"""Figures of the learner study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgewright.papers.learner.groups import ARMS
from edgewright.papers.learner.population import CHOSEN, TOGETHER
from edgewright.papers.learner.view import View
from edgewright.papers.learner.worlds import (
    AHEAD,
    HINDSIGHT,
    LEARNERS,
    PLANNER,
    PRICED,
    WORLDS,
    learners,
    moved,
    rules,
    worlds,
)
from edgewright.reporting import figures
from edgewright.reporting.plot_data import Curve, Line, Row
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN = ("heavy", "light", "trace", "fleet", "city")
"""Worlds with a figure of their own."""

LOWEST = -0.05
"""Reward at which learning curves begin: untrained policies earn about -3."""


def policies(table: Table, world: str) -> dict[str, str]:
    """Return the group of every policy of a world by name, the worst first."""
    view, plan = View(table, world), table.plan
    groups = dict.fromkeys([*learners(plan, world), *moved(plan, world)], "learned")
    groups |= {name: "learned" for name in (CHOSEN, TOGETHER, *ARMS) if view.has(name)}
    oracles = (PRICED, PLANNER, AHEAD, HINDSIGHT)  # they see the state, as in comparisons
    groups |= {name: "oracle" if name in oracles else "rule" for name in rules(plan, world)}
    return dict(sorted(groups.items(), key=lambda one: float(view.reward(one[0]).mean())))


def drawings(table: Table) -> dict[str, tuple[str, Figure]]:
    """Return a comparison for each world, and the learning curves of `aigc-heavy`."""
    drawn = {}
    for world in (name for name in worlds(table.plan) if name in DRAWN):
        view, base = View(table, world), WORLDS[world].base
        rows = [
            Row.of(name, group, view.difference(name, base))
            for name, group in policies(table, world).items()
            if name != "random"
        ]
        bound = Row.of("bound", "bound", view.difference("bound", base))
        xlabel = f"difference to {base} (reward per slot)"
        caption = f"aigc-{world}: differences to {base} on identical episodes, and the bound."
        drawn[world] = (caption, figures.comparison(rows, bound, xlabel=xlabel))
    view = View(table, "heavy")
    shown = [name for name in LEARNERS if name in learners(table.plan, "heavy")]
    curves = [_rising(view, name) for name in shown]
    lines = [Line("shadow-price", float(view.reward("shadow-price").mean()))]
    lines.append(Line("bound", float(view.reward("bound").mean()), is_bound=True))
    figure = figures.learning_curve(curves, lines, ylabel="reward per slot")
    caption = "aigc-heavy: greedy policy of each learner while it learned, from where its mean "
    caption += f"reward reaches {LOWEST:g}."
    drawn["curves"] = (caption, figure)
    return drawn


def _rising(view: View, name: str) -> Curve:
    """Return a learning curve from the first mark whose mean over seeds is above the lowest."""
    steps, rewards = view.curve(name)
    first = int(np.argmax(rewards.mean(axis=0) >= LOWEST))
    return Curve(name, steps[first:], rewards[:, first:])


__all__ = ["drawings", "policies"]
