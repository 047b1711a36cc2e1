"""Print a comparison in a terminal."""

from __future__ import annotations

from typing import Any

import click

from edgewright.cli.terminal import needed_width, print_table, table_width
from edgewright.evaluation.action_table import cells, columns
from edgewright.evaluation.gap import percent

COLUMNS = [
    ("name", "policy", ""),
    ("reward", "reward\n/slot", "+.3f"),
    ("vs", "difference to\nbaseline", ""),
]

GAP = ("gap", "gap to bound\nclosed [%]", "")

IMPROVEMENT = ("improvement", "probability of\nimprovement [%]", "")

MAX_NAME, MAX_PATH = 24, 16
"""Characters of the name of a policy, and of the path of a run."""

MAX_SHARES = 12
"""Columns for the shares of actions."""

MAX_METRICS = 3
"""Columns for a system's own metrics: more do not fit a terminal."""


def show(result: dict[str, Any]) -> None:
    """Print the table of a comparison with the bound and the share of the gap that each closes."""
    rows = [*result["policies"], *([result["bound"]] if result["bound"] else [])]
    rows = [
        {
            **row,
            "name": _short(row["policy"]),
            "vs": _difference(row),
            "gap": percent(row.get("gap_closed")),
            "improvement": _improvement(row),
            "highlight": row["group"] == "learned",
        }
        for row in rows
    ]
    own = [
        (metric["name"], _heading(metric), metric["format"])
        for metric in result["metrics"][:MAX_METRICS]
    ]
    gap = [GAP] if result["bound"] else []
    if any("episode_length" in row for row in rows):
        own.append(("episode_length", "slots", ".0f"))
    heads = [*COLUMNS, *gap, IMPROVEMENT, *own]
    improvement = needed_width(heads, rows) <= table_width()
    if not improvement:
        heads.remove(IMPROVEMENT)
    title = f"{result['scenario']}: {result['episodes']} identical episodes, 95 % intervals"
    print_table(title, heads, rows)
    click.echo(f"differences are paired, to {result['baseline']}")
    if gap:
        click.echo(f"gap: share of the gap between {result['baseline']} (0) and the bound (100)")
    if improvement:
        click.echo(
            "probability of improvement: share of episodes that earn more than with "
            f"{result['baseline']}, ties count half"
        )
    show_actions(result)
    if "placement" in result:
        click.echo(f"positions of devices and servers: {result['placement']}")
    if result["bound"] is None:
        click.echo(f"no bound here: {result['why_no_bound']}")
    for row in result["policies"]:
        for field, strata in row["by"].items() if row["group"] == "learned" else ():
            parts = ", ".join(f"{one['difference']:+.3f} at {one['value']:g}" for one in strata)
            click.echo(f"  {row['policy']}, difference by {field}: {parts}")


def show_actions(result: dict[str, Any]) -> None:
    """Print the shares of actions, and a warning for each policy that always does the same."""
    rows = [
        {**cells(row), "name": _short(row["policy"]), "highlight": row["group"] == "learned"}
        for row in result["policies"]
    ]
    for most in range(MAX_SHARES, 0, -1):  # a part that does not fit is left out
        shown = columns(result["policies"], most, derived=True)
        headings = [(key, heading.replace(": ", ":\n"), ".0f") for key, heading, _ in shown]
        heads = [("name", "policy", ""), *headings]
        if shown and (needed_width(heads, rows) <= table_width() or most == 1):
            print_table("shares of actions [%]", heads, rows)
            break
    for note in result["notes"]:
        click.echo(note)
    for warning in result["warnings"]:
        click.echo(f"warning: {warning}", err=True)


def _heading(metric: dict[str, Any]) -> str:
    text = metric["heading"].replace(", ", ",\n")
    return f"{text}\n[{metric['unit']}]" if metric["unit"] else text


def _difference(row: dict[str, Any]) -> str | None:
    difference = row.get("difference")
    if difference is None:
        return None
    return f"{difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"


def _improvement(row: dict[str, Any]) -> str | None:
    name = "probability_of_improvement"
    if row.get("difference") is None or name not in row:
        return None
    estimate, low, high = (100 * row[key] for key in (name, f"{name}_low", f"{name}_high"))
    return f"{estimate:.0f} [{low:.0f}, {high:.0f}]"


def _short(name: str) -> str:
    """Return a policy's name, cut at the left where it is the path of a run."""
    most = MAX_PATH if "/" in name else MAX_NAME
    return name if len(name) <= most else "…" + name[1 - most :]
