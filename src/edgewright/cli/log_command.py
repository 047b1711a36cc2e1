"""``edgewright log``: check a decision log, and export it to Parquet."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import click

from edgewright.cli.options import json_option, out_option, print_json


@click.group(name="log")
def command() -> None:
    """Check or export a log of decisions and outcomes; the log is only read."""


@command.command(name="check")
@click.argument("file")
@click.option("--bundle", metavar="BUNDLE", help="A bundle that must have decided in the log.")
@json_option
def check(file: str, bundle: str | None, as_json: bool) -> None:
    """Check FILE and state its decisions, outcomes, policies and propensities."""
    from edgewright.serve.log_reader import DecisionLogReader

    with DecisionLogReader(file, _version(bundle)) as reader:
        facts = reader.facts
    if as_json:
        print_json({"log": file, **dataclasses.asdict(facts)})
        return
    first, last = (
        datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(" ", "seconds")
        for at in (facts.first_at, facts.last_at)
    )
    click.echo(f"{file}: {facts.decisions:,} decisions, {facts.outcomes:,} outcomes")
    click.echo(f"from {first} to {last}")
    click.echo(f"policies: {_counts(facts.policies)}")
    click.echo(f"decided by: {_counts(facts.decided_by)}")
    click.echo(f"explored: {facts.explored:,}; without a propensity: {facts.unknown:,}")


@command.command(name="export")
@click.argument("file")
@out_option(required=True, metavar="FILE", help="The Parquet file, e.g. decisions.parquet.")
@json_option
def export(file: str, out: str, as_json: bool) -> None:
    """Write FILE as a Parquet file with a row for each decision and its outcome."""
    from edgewright.serve.log_export import export_log
    from edgewright.serve.log_reader import DecisionLogReader

    with DecisionLogReader(file) as reader:
        result = export_log(reader, Path(out))
    if as_json:
        print_json({"log": file, **result})
    else:
        click.echo(f"{out}: {result['rows']:,} rows of {len(result['columns'])} columns")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _version(bundle: str | None) -> str | None:
    """Return the version of a bundle in a file; None without one."""
    if bundle is None:
        return None
    from edgewright.bundle import load

    return load(bundle).version
