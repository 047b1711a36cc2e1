"""Notes and tables of the EDMSAC study."""

from __future__ import annotations

from typing import Any

from edgewright.evaluation.joint_bootstrap import joint_mean
from edgewright.papers.edmsac.figures import worlds_in
from edgewright.papers.edmsac.tuning import FACTORS, FAMILIES
from edgewright.papers.edmsac.view import METRICS, View
from edgewright.papers.edmsac.worlds import PAIRS, SAME_RATES, TITLES
from edgewright.reporting import html
from edgewright.studies.table import Table


def notes(table: Table) -> list[str]:
    """Return what a reader must know."""
    plan = table.plan
    paragraphs = [
        "The body of the paper is not public, nor is any code of it. The contract, the reward and "
        "the learner are our reading (docs/concepts/contract.md, diffusion-actor.md). The only "
        "number is 'up to 23 %' in the abstract of version 2; it was no target of any choice.",
        "A gain in per cent is of the profit from rational servers. The penalised reward has an "
        "arbitrary zero and changes its sign, so no per cent of it is stated.",
        "Ceiling: nobody can gain more over DMSAC than DMSAC leaves of the exact optimum.",
        "DMSAC and EDMSAC are one program with pruning on or off. All learners have the same "
        "features, markets, rounds, widths and gradient steps, and the same number of trials: "
        f"{len(FACTORS)} factors of both learning rates for each of {', '.join(FAMILIES)}, on "
        "validation markets and other seeds. Variants take the rates of what they vary.",
        "dmsac-paper has the bounded noise of published diffusion actors and no density. It is "
        "weak by construction and stands for nothing but itself.",
        "Structured menus meet all constraints by construction: that is knowledge of the problem "
        "which the published system may not have had. Worlds with raw menus have none of it.",
        "Rewards are cut at -1000, which no random menu reaches. d3-raw-floor cuts them at -50, "
        "where nearly all random menus are: a learner cannot tell which of them are less bad. It "
        "was added after a trial of two seeds had shown as much, before the full study ran.",
        "Sizes and durations are those of networks without their masked units; masks alone save "
        "nothing. Durations hold for the machine of the study, with other jobs beside them.",
        f"{plan.seeds} seeds of {plan.steps:.0f} rounds; sweeps and ablations have half the seeds.",
    ]
    paragraphs += _chosen(table)
    if plan.quick:
        text = "This is the quick plan, with few seeds and short trainings, and without a search "
        paragraphs.append(text + "of learning rates: a preview, not evidence.")
    return paragraphs


def _chosen(table: Table) -> list[str]:
    """Return the learning rates that the search chose, where there was one."""
    keys = {name: f"tuning/{name}" for name in FAMILIES}
    facts = {key: table.results[key].facts for key in keys.values() if key in table.results}
    if not all("settings" in facts.get(key, {}) for key in keys.values()):
        return []
    each = {name: facts[key]["settings"] for name, key in keys.items()}
    rates = "; ".join(
        f"{name} {one['actor_learning_rate']:.2g} and {one['critic_learning_rate']:.2g}"
        for name, one in each.items()
    )
    return [
        f"Chosen rates of actor and critic: {rates}. The trials of a learner are near to one "
        "another, so the choice hangs on two seeds. Where EDMSAC and DMSAC have other rates, a "
        f"difference between them is not that of pruning alone; {SAME_RATES} has those of EDMSAC. "
        "It was added after the other results were known."
    ]


def sections(table: Table) -> list[html.Section]:
    """Return the raw numbers of each world, and the grid of the gains."""
    return [*(_raw(View(table, world)) for world in worlds_in(table)), _grid(table)]


def _raw(view: View) -> html.Section:
    prefix, rows = f"{view.setting}/", []
    for key, result in view.table.results.items():
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or "episodes/optimum_ratio" not in result.arrays:
            continue
        row: dict[str, Any] = {"policy": name}
        row |= {metric: joint_mean(view.get(name, metric)) for metric in METRICS}
        if "actor/parameters" in result.arrays:
            row["parameters"] = float(view.actor(name, "parameters").mean())
            row |= {f"ms{n}": float(view.duration(name, n).mean()) for n in (1, 256)}
        rows.append(row)
    rows.sort(key=lambda row: -row["share"].estimate)
    columns = [
        html.Column("policy", "policy"),
        *(html.Column(name, METRICS[name][1], "", ".3f") for name in METRICS),
        html.Column("parameters", "parameters of the actor", "", ".0f"),
        html.Column("ms1", "one menu", "ms", ".3f"),
        html.Column("ms256", "256 menus", "ms", ".3f"),
    ]
    caption = "Means over seeds and markets, with 95 % intervals; the largest share first."
    title = f"Numbers: {TITLES[view.setting]}"
    return html.Section(title, table=html.Table(columns, rows, caption))


def _grid(table: Table) -> html.Section:
    rows = []
    for world, ours, other in PAIRS:
        view = View(table, world)
        if view.has(ours) and view.has(other):
            row: dict[str, Any] = {"world": world, "ours": ours, "other": other}
            row |= {"profit": joint_mean(view.get(ours)), "base": joint_mean(view.get(other))}
            row["optimum"] = float(view.get("bound").mean())
            rows.append(row)
    columns = [
        html.Column("world", "world"),
        html.Column("ours", "EDMSAC"),
        html.Column("other", "DMSAC"),
        html.Column("profit", "its profit", "", ".3f"),
        html.Column("base", "that of DMSAC", "", ".3f"),
        html.Column("optimum", "optimum", "", ".3f"),
    ]
    caption = "The cells over which 'up to' is taken, fixed before the full study ran."
    return html.Section("Numbers: the grid", table=html.Table(columns, rows, caption))
