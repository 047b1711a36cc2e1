"""Notes and tables of the HADRL study."""

from __future__ import annotations

from typing import Any

from edgewright.evaluation.joint_bootstrap import joint_mean
from edgewright.papers.hadrl.figures import ablated_views, main_views
from edgewright.papers.hadrl.jobs import ABLATED, LONG, LONGER, PLANNER, size_of
from edgewright.papers.hadrl.view import LEARNERS, LEVELS, METRICS, ORACLES_IN, RULES, TITLES, View
from edgewright.papers.hadrl.worlds import SWEEPS, worlds_in
from edgewright.reporting import html
from edgewright.studies.table import Table

FORMATS = {
    "hits": ".3f",
    "latency": ".3f",
    "latency_p95": ".2f",
    "switch": ".1f",
    "reward": "+.3f",
}


def notes(table: Table) -> list[str]:
    """Return what a reader must know."""
    plan, size = table.plan, size_of(table.plan)
    settings = ", ".join(f"{key.split('.')[-1]} {value}" for key, value in PLANNER.items())
    paragraphs = [
        "No number of the paper is known: its full text was out of reach, and its repository "
        "holds no result. The abstract's claims are orders; the others are expectations of ours.",
        "The published repository does not run. HADRL here is DDPG above an active-inference "
        "planner in our world, whose defaults repair the loopholes of the published one.",
        "All learners have the same features, inputs, episodes and numbers of steps. Settings are "
        "those of the learners' table, and in the full plan the learning rates of each learner are "
        "the best of three, tried in es2 on other seeds and episodes. Before that PPO lost its "
        "entropy bonus and DDPG got small rates below, by hand, because both went to corners.",
        f"{LONG} has {LONGER} times as many steps: a step of PPO costs far less than a plan.",
        "The epistemic value of every strategy has the same weight, though they differ in units: "
        "nats, variances, deviations. hadrl-weight-1 has ten times that weight. hadrl-as-run "
        "scores standardised rewards: the published preference, 1.5 times the largest reward, "
        "presupposes that rewards are positive.",
        "Claims on loopholes follow from how the published code computes; they are here to be "
        "seen and measured, not because they could have come out otherwise.",
        f"The planner of all arms is smaller than the default one: {settings}. It looks one slot "
        "ahead unless the name of an arm says otherwise, and is judged without noise and without "
        "its epistemic term, which serves learning only; hadrl-as-run keeps its whole formula.",
        "Searches start from the last plan and keep its elites, which is our default and not the "
        "published one. hadrl-cold begins every search anew: where slots are independent that is "
        "better, so the other arms of HADRL are weaker than they could be.",
        "hadrl-root learns the servers and takes the square-root law for the shares; "
        "spread-active-inference learns the slots below the caches of a rule; ddpg-search learns "
        "the caches above the exact shares and the best servers for them. They show which level "
        "costs what; the last two have the rates of their table, without a search.",
        f"{plan.seeds} seeds of {size.main:.0f} steps in the main trainings, {size.sweep_seeds} of "
        f"{size.sweep:.0f} in sweeps and {size.sweep_seeds} on the logs of code and of Mooncake, "
        f"{plan.seeds} of {size.ablation:.0f} in ablations. A step is "
        "a slot, or the placing of services at the beginning of an epoch.",
        "Rules know the state and the present requests, not the future. The best rule is chosen "
        "by its mean reward on the episodes it is compared on, which favours it a little. Oracles "
        "know the law of the inputs as well, and are never the best rule.",
        "Episodes on recorded requests begin at random rows of one log and overlap, so intervals "
        "there are too narrow for another log.",
        "PPO learns from 16 epochs of four copies at a time: 13 updates in the main trainings, 7 "
        "in sweeps. An update after four epochs, with smaller minibatches, earned as much in a "
        f"trial by hand; {LONG} has ten times as many.",
        "The bound pools all servers and lets services be cached in part: no policy can pass it.",
        "Ablations are made in es2 and dynamic with a third of the users, of the bands and of the "
        "speeds, where a training costs a third.",
        "In sweeps one number changes, with 30 users in cells of equal size or, for four servers, "
        "of 8, 8, 7 and 7. The published presets change other constants with the number of "
        "servers; they serve the loopholes alone.",
    ]
    if not plan.data:
        text = "No recordings were named (--data), so recorded requests are not part of this run."
        paragraphs.append(text)
    if plan.quick:
        text = "This is the quick plan, with few seeds, short trainings and most ablations left "
        paragraphs.append(text + "out: a preview, not evidence.")
    return paragraphs


def sections(table: Table) -> list[html.Section]:
    """Return the raw numbers of the main worlds and of the sweeps."""
    views = {**main_views(table), **ablated_views(table)}
    made = [_raw(view) for view in views.values()]
    return [*made, _sweeps(table)]


def _raw(view: View) -> html.Section:
    groups = dict.fromkeys((*LEARNERS, LONG, *LEVELS, *ABLATED), "learned")
    groups |= dict.fromkeys(RULES, "rule")
    groups |= dict.fromkeys(ORACLES_IN.get(view.setting, ()), "oracle")
    rows = [_numbers(view, name, group) for name, group in groups.items() if view.has(name)]
    rows.sort(key=lambda row: -row["reward"].estimate)
    if view.has("bound"):
        rows.append({"policy": "bound", "reward": joint_mean(view.get("bound", "reward"))})
    columns = [
        html.Column("policy", "policy"),
        html.Column("group", "group"),
        *_metric_columns(),
        html.Column("decision", "decision", "ms", ".3g"),
    ]
    caption = "Means over seeds and held-out episodes, with 95 % intervals; the best reward first."
    return html.Section(
        f"Numbers: {TITLES[view.setting]}", table=html.Table(columns, rows, caption)
    )


def _metric_columns() -> list[html.Column]:
    return [
        html.Column(name, METRICS[name].words, METRICS[name].unit, FORMATS[name])
        for name in METRICS
    ]


def _numbers(view: View, name: str, group: str) -> dict[str, Any]:
    row: dict[str, Any] = {"policy": name, "group": group}
    row |= {metric: joint_mean(view.get(name, metric)) for metric in METRICS}
    return row | {"decision": float(view.decision_ms(name).mean())}


def _sweeps(table: Table) -> html.Section:
    view, rows = View(table, "sweeps"), []
    for kind, sweep in SWEEPS.items():
        for value, world in worlds_in(kind, table.results):
            names = [key.split("/", 1)[1] for key in table.results if key.startswith(f"{world}/")]
            for name in names:
                row: dict[str, Any] = {"sweep": sweep.words, "value": value, "policy": name}
                row |= {m: float(view.get(name, m, world).mean()) for m in METRICS}
                timed = kind == "servers"
                ms = float(view.decision_ms(name, world).mean()) if timed else None
                rows.append(row | {"decision": ms})
    columns = [
        html.Column("sweep", "what changes"),
        html.Column("value", "value", "", "g"),
        html.Column("policy", "policy"),
        *_metric_columns(),
        html.Column("decision", "decision", "ms", ".3g"),
    ]
    caption = "Means over seeds and held-out episodes; intervals are in the figures."
    return html.Section("Numbers: sweeps", table=html.Table(columns, rows, caption))
