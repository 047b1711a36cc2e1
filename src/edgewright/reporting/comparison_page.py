"""A comparison as a figure, a table and a page of its own: for any system."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.core.machine import machine_facts
from edgewright.core.sealed import write_json
from edgewright.evaluation.action_table import cells, columns
from edgewright.evaluation.compare import Comparison
from edgewright.evaluation.gap import FAR_BEHIND
from edgewright.evaluation.statistics import Interval, performance_profile
from edgewright.reporting import figures, html
from edgewright.reporting.run_curves import learning_figure
from edgewright.reporting.style import save, to_svg
from edgewright.scenarios.load import resolved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REWARD = "reward per slot (no unit)"

IMPROVEMENT = "probability_of_improvement"

MAX_SHARES = 40
"""Columns in the table of actions."""

MAX_PROFILES = 6
"""Curves in the figure of performance profiles: more are drawn only where all are needed."""


def comparison_rows(summary: dict[str, Any]) -> list[figures.Row]:
    """Return the rows of a comparison figure."""
    return [
        figures.Row(r["policy"], r["group"], r["reward"], r["reward_low"], r["reward_high"])
        for r in summary["policies"]
    ]


def bound_row(summary: dict[str, Any]) -> figures.Row | None:
    """Return the bound's row of a comparison figure."""
    bound = summary["bound"]
    if bound is None:
        return None
    low, high = bound["reward_low"], bound["reward_high"]
    return figures.Row("upper bound", "bound", bound["reward"], low, high)


def _columns(summary: dict[str, Any]) -> list[html.Column]:
    base = summary["baseline"]
    own = [
        html.Column(
            metric["name"], metric["heading"], metric["unit"], metric["format"], metric["better"]
        )
        for metric in summary["metrics"]
    ]
    rows = summary["policies"]
    ended = [html.Column("episode_length", "slots served", "", ".0f", "max")]
    gap = [html.Column("gap", "gap to bound closed", "%", ".0f")]
    return [
        html.Column("policy", "policy"),
        html.Column("reward", "reward per slot", format="+.4f"),
        *(ended if "episode_length" in rows[0] else []),
        html.Column("difference", f"difference to {base}", format="+.4f"),
        *(gap if summary["bound"] else []),
        html.Column(IMPROVEMENT, f"probability of improvement on {base}", format=".2f"),
        *own,
    ]


def page_table(summary: dict[str, Any], caption: str) -> html.Table:
    """Return the table of a comparison for a page."""
    rows = [*summary["policies"], *([summary["bound"]] if summary["bound"] else [])]
    shown = [
        {
            **row,
            "reward": _interval(row, "reward"),
            "difference": change and Interval(change["mean"], change["low"], change["high"], 0.95),
            "gap": _percent(row.get("gap_closed")),
            IMPROVEMENT: _interval(row, IMPROVEMENT) if change and IMPROVEMENT in row else None,
            "learned": row["group"] == "learned",
        }
        for row in rows
        for change in [row["difference"]]
    ]
    return html.Table(_columns(summary), shown, caption, "learned")


def _percent(share: dict[str, float] | None) -> Interval | float | None:
    """Return a share of the gap in per cent; without its interval where it lies far behind."""
    if share is None:
        return None
    estimate, low, high = (100 * share[key] for key in ("share", "low", "high"))
    return Interval(estimate, low, high, 0.95) if estimate >= FAR_BEHIND else estimate


def _interval(row: dict[str, Any], name: str) -> Interval:
    return Interval(row[name], row[f"{name}_low"], row[f"{name}_high"], 0.95)


def profiles(comparison: Comparison) -> Figure:
    """Return performance profiles over episodes: learners, the baseline, and the best others.

    The axis spans what learners, baseline and reference earn; a policy far below stays at 0 %.
    """
    plan, results = comparison.scenario.evaluation, comparison.results
    rewards = {result.name: result.metrics["reward"] for result in results}
    needed = {r.name for r in results if r.group == "learned"} | {plan.baseline, plan.reference}
    best = sorted(rewards, key=lambda name: (name not in needed, -float(rewards[name].mean())))
    drawn = {name: rewards[name] for name in best[: max(MAX_PROFILES, len(needed))]}
    low = min(rewards[name].min() for name in needed)
    at = np.linspace(low, max(values.max() for values in drawn.values()), 201)
    bands = {name: performance_profile(values, at) for name, values in drawn.items()}
    return figures.performance_profiles(at, bands, xlabel=REWARD, over="episodes")


def verdicts(summary: dict[str, Any]) -> list[str]:
    """Return in words how each learner did against the baseline, the planner and the bound."""
    sentences = []
    for row in summary["policies"]:
        if row["group"] != "learned":
            continue
        change, share = row["difference"], row.get("gap_closed")
        if change["low"] > 0:
            how = "beats"
        elif change["high"] < 0:
            how = "falls behind"
        else:
            how = "is not distinguishable from"
        text = (
            f"{row['policy']} ({_seeds(row['seeds'])}) {how} {change['to']} on identical inputs: "
            f"{change['mean']:+.4f} per slot [{change['low']:+.4f}, {change['high']:+.4f}]"
        )
        if share:
            text += (
                f"; it goes {100 * share['share']:.0f} % of the way "
                f"[{100 * share['low']:.0f}, {100 * share['high']:.0f}] from {change['to']} to the "
                "upper bound"
            )
        sentences.append(text + ".")
    return sentences


def actions_section(summary: dict[str, Any]) -> list[html.Section]:
    """Return the section on what every policy does; nothing where the system does not keep it."""
    rows = summary["policies"]
    shown = columns(rows, MAX_SHARES)
    if not shown:
        return []
    table = html.Table(
        [html.Column("policy", "policy"), *(html.Column(k, h, "", ".1f") for k, h, _ in shown)],
        [{"policy": r["policy"], **cells(r), "learned": r["group"] == "learned"} for r in rows],
        "Shares of actions over all decisions of all seeds [%]; of numbers the mean and the range.",
        "learned",
    )
    return [html.Section("What the policies do", [*summary["warnings"]], table=table)]


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def page_facts() -> dict[str, str]:
    """Return what a page says of where and when it was made."""
    facts = machine_facts()
    return {
        "version": f"edgewright {facts['edgewright']}, jax {facts['jax']}",
        "machine": f"{facts['cores']} cores, {facts['architecture']}, Python {facts['python']}",
        "date": time.strftime("%Y-%m-%d"),
    }


def write_page(out: Path, comparison: Comparison, summary: dict[str, Any], command: str) -> Path:
    """Write ``result.json``, the figures and a self-contained page; return the page's path."""
    drawings = {
        "comparison": figures.comparison(
            comparison_rows(summary), bound_row(summary), xlabel=REWARD
        ),
        "profiles": profiles(comparison),
    }
    captions = {
        "comparison": "Every policy on the same episodes, and what none can pass.",
        "profiles": "Performance profiles: the share of episodes that earn more than a reward per "
        "slot. A curve above another everywhere is the better policy.",
    }
    learned = learning_figure(comparison, summary)
    if learned is not None:
        drawings["learning"], captions["learning"] = learned
    for name, figure in drawings.items():
        save(figure, out / "figures", name)
    caption = (
        f"{summary['episodes']} identical episodes of {comparison.problem.horizon} slots. Gap: 0 "
        f"is {summary['baseline']}, 100 the bound, which perhaps none can reach. Intervals are "
        "95 %, from resampling episodes and seeds; differences are paired. Probability of "
        f"improvement: how often an episode earns more than with {summary['baseline']}; ties count "
        "half."
    )
    shown = [html.FigureItem(captions[name], to_svg(figure)) for name, figure in drawings.items()]
    sections = [
        html.Section(
            "Results",
            [*verdicts(summary), *summary["notes"]],
            table=page_table(summary, caption),
            figures=shown,
        ),
        *actions_section(summary),
        html.Section(
            "Scenario",
            code=json.dumps(resolved(comparison.scenario), indent=1),
            code_title="Resolved scenario",
        ),
    ]
    facts = {"command": command, **page_facts()}
    page = html.render(summary["scenario"], comparison.scenario.title, facts, sections)
    html.write(out / "report.html", page)
    write_json(out / "result.json", summary)
    return out / "report.html"
