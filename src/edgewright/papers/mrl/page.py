"""Write the notes and tables of the MRL study's page."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_mean
from edgewright.papers.mrl.jobs import PRESETS, RULES, size_of
from edgewright.papers.mrl.measures import View
from edgewright.reporting import html
from edgewright.studies.table import Table

MARKS = (0, 1, 5, 10, 20, 50, 100)


def notes(table: Table) -> list[str]:
    """Return what a reader must know of settings and readings, with the numbers of the plan."""
    plan, size = table.plan, size_of(table.plan)
    facts = table["easy/maml"].facts
    per_step, proposals = facts["slots_per_step"], facts["proposals"]
    paragraphs = [
        "This is supervised learning rather than reinforcement learning: slots are independent, "
        "and a label is the best of a few proposals under an exact model of the delay.",
        "'rounded' is phi = 1, no critic; 'priced' is phi = N, the best of "
        f"{proposals} proposals. The paper does not say which its table has. Labels are always "
        "made with priced proposals: a network cannot learn from its own rounding.",
        f"{plan.seeds} seeds, {size.scenarios} held-out scenarios, {size.held_out_slots} held-out "
        "slots in each; Q-hat is the exact optimum over what was achieved, the mean of per-slot "
        "ratios.",
        f"Data budget: a gradient step comes with {per_step} new slots and {per_step * proposals} "
        f"critic calls, so 20 steps are {20 * per_step} slots and {20 * per_step * proposals} "
        f"calls, 100 steps are {100 * per_step} and {100 * per_step * proposals}. Initialisations "
        f"are trained on {plan.steps:.0f} slots of 100 other scenarios, the same number for each.",
        "All networks see the same standardised decades of the gains through the same layers "
        "(120, 80). Only 'dnn-scenario' also observes weights, sizes and work. Rules are "
        "fully informed.",
        "In the model as MRL writes it nothing is shared, and one comparison for each device is "
        "the optimum (`binary-paper`); what is judged here is the coupled reading.",
    ]
    if plan.quick:
        paragraphs.append(
            f"This is the quick plan: {plan.seeds} seeds, {size.scenarios} scenarios. Its verdicts "
            "are a preview."
        )
    return paragraphs


def sections(table: Table) -> list[html.Section]:
    """Return the raw numbers, what it took to reach 0.99, and the time of a decision."""
    return [_raw(table), _reached(table), _speed(table)]


def _adapted(table: Table) -> list[str]:
    names = []
    for key, result in table.results.items():
        if key.startswith("easy/") and "adapt/q_hat" in result.arrays:
            names.append(key.removeprefix("easy/"))
    return names


def _raw(table: Table) -> html.Section:
    rows: list[dict[str, Any]] = []
    for preset in PRESETS:
        for way in ("rounded", "priced"):
            view = View(table, f"{preset}, {way}")
            if way == "priced":
                rows += [_rule(view, name) for name in RULES]
            rows += [_start(view, name, way) for name in _adapted(table)]
    columns = [
        html.Column("preset", "preset"),
        html.Column("policy", "policy"),
        html.Column("way", "proposals"),
        *(html.Column(f"after {step}", f"{step} steps", "", ".4f") for step in MARKS),
        html.Column("interval", "at 20 steps [95 %]"),
        html.Column("p5", "5th percentile at 20", "", ".4f"),
        html.Column("optimal_fraction", "optimal at 20", "", ".3f"),
        html.Column("means", "ratio of means at 20", "", ".4f"),
        html.Column("delay", "weighted delay at 20", "s", ".4f"),
    ]
    return html.Section("Raw numbers", table=html.Table(columns, rows, "Mean Q-hat."))


def _rule(view: View, name: str) -> dict[str, Any]:
    return {"preset": view.preset, "policy": name, "way": "", **_at(view, name, 0)}


def _start(view: View, name: str, way: str) -> dict[str, Any]:
    steps = view.steps(name)
    row: dict[str, Any] = {"preset": view.preset, "policy": name, "way": way}
    for step in MARKS:
        if step in steps:
            row[f"after {step}"] = float(view.scores(name, step).mean())
    return {**row, **_at(view, name, 20)}


def _at(view: View, name: str, step: int) -> dict[str, Any]:
    result = joint_mean(view.scores(name, step))
    return {
        "interval": result.text(".4f"),
        "p5": float(view.scores(name, step, "q_hat_p05").mean()),
        "optimal_fraction": float(view.scores(name, step, "optimal_fraction").mean()),
        "means": float(view.scores(name, step, "ratio_of_means").mean()),
        "delay": float(view.scores(name, step, "cost").mean()),
    }


def _reached(table: Table) -> html.Section:
    rows = []
    for preset in PRESETS:
        for name in _adapted(table):
            facts = table[f"{preset}/{name}"].facts
            for way, key in (("rounded", "q_hat_rounded"), ("priced", "q_hat")):
                result = facts["reached"][key]
                rows.append({"preset": preset, "policy": name, "way": way, **result})
    columns = [
        html.Column("preset", "preset"),
        html.Column("policy", "policy"),
        html.Column("way", "proposals"),
        html.Column("steps", "steps"),
        html.Column("slots", "slots"),
        html.Column("world_evaluations", "critic calls"),
    ]
    text = (
        "The first evaluated step from which the mean Q-hat is at 0.99 or above for five "
        "evaluations in a row (fewer at the end); empty where it never is."
    )
    return html.Section("To reach 0.99", table=html.Table(columns, rows, text))


def _speed(table: Table) -> html.Section:
    result = table["speed"]
    us = result.arrays["speed/us"]
    rows = [
        {"policy": name, "us": float(np.median(us[index]))}
        for index, name in enumerate(result.facts["names"])
    ]
    columns = [html.Column("policy", "policy"), html.Column("us", "a decision", "us", ".2f")]
    text = (
        f"{result.facts['slots']} slots in one call, the median of five, while other jobs of the "
        "study may have been running. Rules need the scenario's numbers, a rounded network needs "
        "none, a priced one asks for ten prices."
    )
    return html.Section("Time of a decision", table=html.Table(columns, rows, text))
