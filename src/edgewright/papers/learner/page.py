"""Figures and words of the learner study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgewright.papers.learner.jobs import LEARNERS, MOVED, OURS, PLANNER, learners, rules, worlds
from edgewright.papers.learner.measures import CHARGES, View
from edgewright.reporting import figures, html
from edgewright.reporting.plot_data import Curve, Line, Row
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _names(table: Table, world: str) -> dict[str, str]:
    """Return the group of every policy of a world by name, the worst first."""
    groups = dict.fromkeys(learners(table.plan, world), "learned")
    if world == "trace":
        groups[MOVED.removeprefix("trace/")] = "learned"
    groups |= {name: "oracle" if name == PLANNER else "rule" for name in rules(table.plan)}
    view = View(table, world)
    return dict(sorted(groups.items(), key=lambda one: float(view.reward(one[0]).mean())))


def drawings(table: Table) -> dict[str, tuple[str, Figure]]:
    """Return a comparison for each world, and the learning curves of `aigc-heavy`."""
    drawn = {}
    for world in worlds(table.plan):
        view = View(table, world)
        rows = [
            Row.of(name, group, view.difference(name, "greedy"))
            for name, group in _names(table, world).items()
        ]
        bound = Row.of("bound", "bound", view.difference("bound", "greedy"))
        xlabel = "difference to greedy (reward per slot)"
        caption = f"aigc-{world}: differences to greedy on identical episodes, and the bound."
        drawn[world] = (caption, figures.comparison(rows, bound, xlabel=xlabel))
    view = View(table, "heavy")
    shown = [name for name in LEARNERS if name in learners(table.plan, "heavy")]
    curves = [Curve(name, *view.curve(name)) for name in shown]
    lines = [Line("shadow-price", float(view.reward("shadow-price").mean()))]
    lines.append(Line("bound", float(view.reward("bound").mean()), is_bound=True))
    caption = "aigc-heavy: greedy policy of each learner while it learned."
    drawn["curves"] = (caption, figures.learning_curve(curves, lines, ylabel="reward per slot"))
    return drawn


def notes(table: Table) -> list[str]:
    """Return what a reader must know."""
    paragraphs = [
        "All learners have the same features, the same hidden layers of the actor and the same "
        f"number of steps ({table.plan.steps:.0f}). With all actions every step costs as many "
        "steps of the world as there are actions (nine here). Settings are those of the learners' "
        "entries; no rate was chosen for any of them in this study.",
        f"The settings of {OURS} were chosen on aigc-heavy, on episodes of the training inputs and "
        "with other seeds than those judged here, not on the episodes that are judged.",
        f"{OURS} imitates shadow-price in the first half of its training, with a weight that falls "
        "to zero; what it learned is a network of the observation alone.",
        "shadow-price and the planner know the load of others and the gap of the present slot, "
        "which the features do not show. The bound knows all that will come.",
    ]
    if table.plan.quick:
        paragraphs.append(
            "This is the quick plan, with short episodes, few seeds and no planner: a preview."
        )
    return paragraphs


def sections(table: Table) -> list[html.Section]:
    """Return the raw numbers, by the charge that an episode begins with too."""
    rows: list[dict[str, Any]] = []
    for world in worlds(table.plan):
        view = View(table, world)
        for name in [*_names(table, world), "bound"]:
            row: dict[str, Any] = {"world": world, "policy": name, "reward": view.level(name)}
            row["closed"] = view.closed(name)
            row |= {
                f"at {charge}": value
                for charge, value in zip(CHARGES, view.by_charge(name), strict=True)
            }
            rows.append(row)
    columns = [
        html.Column("world", "world"),
        html.Column("policy", "policy"),
        html.Column("reward", "reward per slot [95 %]", format="+.4f"),
        html.Column("closed", "gap to the bound closed [95 %]", "%", ".1f"),
        *(html.Column(f"at {c}", f"from {c} % charge", format="+.4f") for c in CHARGES),
    ]
    caption = "Gap: 0 is greedy, 100 the bound. Charge: what an episode begins with."
    return [html.Section("Raw numbers", table=html.Table(columns, rows, caption))]
