"""A comparison as a figure, a table and a page of its own: for any system."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any

import jax

from edgewright.core.compilation import cores
from edgewright.core.version import __version__
from edgewright.evaluation.compare import Comparison
from edgewright.reporting import figures, html
from edgewright.reporting.style import save, to_svg
from edgewright.scenarios.load import resolved
from edgewright.training import store

REWARD = "reward per slot (no unit)"


def comparison_rows(found: dict[str, Any]) -> list[figures.Row]:
    """Return the rows of a comparison figure."""
    return [
        figures.Row(r["policy"], r["group"], r["reward"], r["reward_low"], r["reward_high"])
        for r in found["policies"]
    ]


def bound_row(found: dict[str, Any]) -> figures.Row | None:
    """Return the bound's row of a comparison figure."""
    bound = found["bound"]
    if bound is None:
        return None
    low, high = bound["reward_low"], bound["reward_high"]
    return figures.Row("upper bound", "bound", bound["reward"], low, high)


def _columns(found: dict[str, Any]) -> list[html.Column]:
    own = [
        html.Column(
            metric["name"], metric["heading"], metric["unit"], metric["format"], metric["better"]
        )
        for metric in found["metrics"]
    ]
    return [
        html.Column("policy", "policy"),
        html.Column("reward_text", "reward per slot [95 %]"),
        html.Column("difference_text", f"difference to {found['baseline']} [95 %]"),
        html.Column("score", "score", format=".3f"),
        *own,
        html.Column("slots", "slots served", "", ".0f", "max"),
    ]


def page_table(found: dict[str, Any], caption: str) -> html.Table:
    """Return the table of a comparison for a page."""
    rows = [*found["policies"], *([found["bound"]] if found["bound"] else [])]
    shown = []
    for row in rows:
        low, high = row["reward_low"], row["reward_high"]
        text = f"{row['reward']:+.4f} [{low:+.4f}, {high:+.4f}]"
        change = row["difference"]
        differs = (
            f"{change['mean']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]"
            if change
            else None
        )
        learned = row["group"] == "learned"
        shown.append({**row, "reward_text": text, "difference_text": differs, "learned": learned})
    return html.Table(_columns(found), shown, caption, "learned")


def verdicts(found: dict[str, Any]) -> list[str]:
    """Return in words how each learner did against the baseline, the planner and the bound."""
    said = []
    for row in found["policies"]:
        if row["group"] != "learned":
            continue
        change, share = row["difference"], row.get("gap_closed")
        if change["low"] > 0:
            how = "beats"
        elif change["high"] < 0:
            how = "falls behind"
        else:
            how = "cannot be told from"
        text = (
            f"{row['policy']} ({row['seeds']} seeds) {how} {change['to']} on identical inputs: "
            f"{change['mean']:+.4f} per slot [{change['low']:+.4f}, {change['high']:+.4f}]"
        )
        if share:
            text += (
                f"; it goes {100 * share['share']:.0f} % of the way "
                f"[{100 * share['low']:.0f}, {100 * share['high']:.0f}] from {change['to']} to the "
                "upper bound"
            )
        said.append(text + ".")
    return said


def machine_facts() -> dict[str, str]:
    """Return what a page says of where and when it was made."""
    return {
        "version": f"edgewright {__version__}, jax {jax.__version__}",
        "machine": f"{cores()} cores, {platform.machine()}, Python {platform.python_version()}",
        "date": time.strftime("%Y-%m-%d"),
    }


def write_page(out: Path, comparison: Comparison, found: dict[str, Any], command: str) -> Path:
    """Write ``result.json``, the figure and a self-contained page; return the page's path."""
    figure = figures.comparison(comparison_rows(found), bound_row(found), xlabel=REWARD)
    save(figure, out / "figures", "comparison")
    caption = (
        f"{found['episodes']} identical episodes of {comparison.problem.horizon} slots. Score: 0 "
        f"is the random policy, 1 is {found['reference']}. Intervals are 95 %, from resampling "
        "episodes and seeds; differences are paired."
    )
    shown = html.FigureItem(
        "Every policy on the same episodes, and what none can pass.", to_svg(figure)
    )
    section = html.Section(
        "What came out",
        verdicts(found),
        table=page_table(found, caption),
        figures=[shown],
        code=json.dumps(resolved(comparison.scenario), indent=1),
        code_title="Resolved scenario",
    )
    facts = {"command": command, **machine_facts()}
    page = html.render(found["scenario"], comparison.scenario.title, facts, [section])
    html.write(out / "report.html", page)
    store.write_json(out / "result.json", {"schema": store.SCHEMA, **found})
    return out / "report.html"
