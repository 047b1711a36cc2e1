"""``edgewright calibrate --log``: fit a scenario to a decision log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import (
    json_option,
    load_scenario,
    out_option,
    print_json,
    set_option,
)

COLUMNS = [
    ("key", "key", ""),
    ("old", "before", ""),
    ("new", "from the log", ""),
    ("rows", "decisions", ",d"),
    ("goodness", "distance", ".3f"),
    ("state", "", ""),
]


@click.command(name="calibrate")
@click.option("--log", required=True, metavar="FILE", help="The log of decisions and outcomes.")
@click.option("--scenario", required=True, help="The scenario to compare with: a name or a file.")
@out_option(required=True, metavar="FILE", help="The new scenario, e.g. new.toml.")
@set_option
@json_option
def command(log: str, scenario: str, out: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Fit the inputs and the physics of a scenario to a log and write a new scenario."""
    from edgewright.serve.log_reader import DecisionLogReader
    from edgewright.serve.log_table import LogTable
    from edgewright.update.calibrate import calibrated, write_scenario

    before = load_scenario(scenario, overrides)
    with DecisionLogReader(log) as reader:
        table = LogTable(list(reader.rows()))
    after, report = calibrated(before, table, log)
    write_scenario(after, report, Path(out))
    if as_json:
        print_json({"log": log, "scenario": before.name, "out": out, **report.facts()})
        return
    show_calibration(f"{log}: {len(table):,} decisions beside {before.name}", report)
    click.echo(f"{out}; next: edgewright train {out} --out RUN")


def show_calibration(title: str, report: Any) -> None:
    """Print the fits, what was left, and the gap to the log before and after."""
    from edgewright.cli.terminal import print_table

    rows = [
        {
            **fit.facts(),
            "old": _short(fit.before),
            "new": _short(fit.after),
            "state": "changed" if fit.changed else "",
        }
        for fit in report.fits
    ]
    print_table(title, COLUMNS, rows)
    for key, reason in report.left.items():
        click.echo(f"left: {key}, {reason}")
    for name, gap in report.gap.items():
        click.echo(
            f"{name}: predicted and logged are {gap['before_wasserstein']:.3g} apart before, "
            f"{gap['after_wasserstein']:.3g} after (Wasserstein)"
        )


def _short(value: Any) -> str:
    """Return a value in few characters."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_short, value)) + "]"
    if isinstance(value, dict):
        rest = ", ".join(_short(one) for key, one in value.items() if key != "kind")
        return f"{value.get('kind', '')} {rest}".strip()
    return json.dumps(value) if isinstance(value, str) else str(value)


__all__ = ["command", "show_calibration"]
