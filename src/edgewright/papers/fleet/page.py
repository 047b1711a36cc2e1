"""Figure and words of the fleet study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgewright.papers.fleet.jobs import BOUNDS, PLANNER, PROMISED, RULES, TRAINED
from edgewright.papers.fleet.measures import View
from edgewright.reporting import figures, html
from edgewright.reporting.plot_data import Row
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _policies(table: Table) -> dict[str, tuple[str, str]]:
    """Return label and group of every policy of the fleet by key, the worst first."""
    names = {name: (label, "learned") for name, label in TRAINED.items()}
    names |= {name: (name, "rule") for name in RULES} | {PLANNER: (PLANNER, "oracle")}
    listed = {f"fleet/{n}": shown for n, shown in names.items() if f"fleet/{n}" in table.results}
    view = View(table)
    return dict(sorted(listed.items(), key=lambda item: float(view.reward(item[0]).mean())))


def drawings(table: Table) -> dict[str, tuple[str, Figure]]:
    """Return the figure: paired differences to greedy, and the lowest bound across."""
    view, base = View(table), "fleet/greedy"
    rows = [
        Row.of(label, group, view.difference(key, base))
        for key, (label, group) in _policies(table).items()
    ]
    least = view.lowest_bound()
    label = f"bound ({BOUNDS[least.removeprefix('fleet/')]})"
    bound = Row.of(label, "bound", view.difference(least, base))
    promised = view.level(PROMISED)
    caption = (
        "Sixteen devices share three servers. Differences to greedy on identical episodes. The "
        f"policy that was trained alone earns {promised.estimate:.3f} per slot where every device "
        f"is alone, and {view.level('fleet/se-ppo-alone').estimate:.3f} in the fleet."
    )
    drawn = figures.comparison(rows, bound, xlabel="difference to greedy (reward per slot)")
    return {"together": (caption, drawn)}


def notes(table: Table) -> list[str]:
    """Return what a reader must know."""
    paragraphs = [
        "All arms have the same devices, inputs, networks and numbers of slots; 'alone' differs in "
        "the presence of the others' work only. Settings are the scenario's: no rate was chosen "
        "for any arm.",
        f"{table.plan.seeds} seeds of {table.plan.steps:.0f} slots; a slot is a sample for each "
        "device. With minibatches of one size a policy for all takes as many times more gradient "
        "steps as there are devices than a policy of its own for each, so what 'one policy' gains "
        "may be that.",
        "The bounds know all that will come; no policy can, so the way to them is longer than "
        "what any policy could go.",
    ]
    if table.plan.quick:
        paragraphs.append("This is the quick plan, with short episodes and no planner: a preview.")
    return paragraphs


def sections(table: Table) -> list[html.Section]:
    """Return the raw numbers."""
    view = View(table)
    rows: list[dict[str, Any]] = []
    keys = {**_policies(table), PROMISED: ("trained alone, every device alone", "learned")}
    keys |= {f"fleet/{name}": (f"bound: {label}", "bound") for name, label in BOUNDS.items()}
    for key, (label, group) in keys.items():
        arrays = table[key].arrays
        row: dict[str, Any] = {"policy": label, "group": group, "reward": view.level(key)}
        for metric in ("delay_s", "energy_j", "quality"):
            values = arrays.get(f"episodes/{metric}")
            row[metric] = None if values is None else float(values.mean())
        rows.append(row)
    columns = [
        html.Column("policy", "policy"),
        html.Column("reward", "reward per slot [95 %]", format="+.4f"),
        html.Column("delay_s", "delay", "s", ".2f"),
        html.Column("energy_j", "energy", "J", ".2f"),
        html.Column("quality", "quality", "", ".3f"),
    ]
    caption = "Rewards' own intervals are wide, because episodes differ in their charge."
    return [html.Section("Raw numbers", table=html.Table(columns, rows, caption))]
