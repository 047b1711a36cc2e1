"""``edgewright drift``: test whether the inputs or rewards of a service have changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.options import json_option, print_json, real, writable
from edgewright.core.errors import CheckFailed

if TYPE_CHECKING:
    from edgewright.update.drift import DriftReport, RewardDrift

COLUMNS = [
    ("name", "field", ""),
    ("method", "test", ""),
    ("statistic", "statistic", ".3f"),
    ("adjusted", "p, Holm", ".2g"),
    ("thinned", "every", "d"),
    ("state", "", ""),
]


@click.command(name="drift")
@click.option("--log", required=True, metavar="FILE", help="The log of decisions and outcomes.")
@click.option("--reference", metavar="FILE", help="Another log as the reference.")
@click.option(
    "--split",
    default="0.5",
    show_default=True,
    metavar="SHARE",
    help="Without --reference: share of the log, its oldest part, that is the reference.",
)
@click.option(
    "--rate",
    default="0.01",
    show_default=True,
    help="Probability of an alarm where nothing changed, over all tests.",
)
@click.option(
    "--metrics",
    metavar="FILE",
    callback=writable,
    help="Write the result in Prometheus' text format, for a collector of text files.",
)
@click.option("--check", is_flag=True, help="Exit with 1 at an alarm.")
@json_option
def command(
    log: str,
    reference: str | None,
    split: str,
    rate: str,
    metrics: str | None,
    check: bool,
    as_json: bool,
) -> None:
    """Test whether inputs or rewards changed between two parts of a log, or two logs."""
    from edgewright.core.files import write_bytes
    from edgewright.update.log_parts import drift_of, prometheus, read_parts

    parts = read_parts(Path(log), Path(reference) if reference else None, real(split, "--split"))
    report = drift_of(*parts, real(rate, "--rate"))
    if metrics is not None:
        write_bytes(Path(metrics), prometheus(report).encode())
    if as_json:
        print_json({"log": log, **report.facts(), "metrics": metrics})
    else:
        _show(log, report)
    if check and report.alarm:
        raise CheckFailed("inputs or rewards changed\nhint: edgewright update BUNDLE --log FILE")


def _show(log: str, report: DriftReport) -> None:
    from edgewright.cli.terminal import print_table

    title = f"{log}: {report.reference:,} decisions before, {report.current:,} now"
    rows = [{**vars(one), "state": "changed" if one.alarm else ""} for one in report.fields]
    print_table(title, COLUMNS, rows)
    click.echo(_reward(report.reward))
    state = "an update is due" if report.alarm else "no change was shown"
    click.echo(f"{state}; false alarms: {report.rate:g} of all checks")


def _reward(reward: RewardDrift | None) -> str:
    if reward is None:
        return "reward: too few outcomes for a test"
    text = f"reward: CUSUM {reward.statistic:.2f}, alarm above {reward.threshold:.2f}"
    if not reward.alarm:
        return text
    return f"{text}; {reward.direction} since about {reward.alarm_at:,} outcomes after the start"


__all__ = ["command"]
