"""``edgewright inspect``: what a bundle is, after it passed every check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import json_option, print_json


@click.command(name="inspect")
@click.argument("bundle")
@json_option
def command(bundle: str, as_json: bool) -> None:
    """Check BUNDLE (hashes, schema, operators, parity on this machine) and show what is in it."""
    from edgewright.deploy.bundle import lite, load

    found = load(bundle)
    content: dict[str, Any] = {
        "file": bundle,
        "bytes": Path(bundle).stat().st_size,
        "version": found.version,
        "operators": found.engine.operators,
        "runtimes_here": found.engine.runtimes,
        "parity_here": dict(found.parity),
        **found.facts,
    }
    if as_json:
        print_json(content)
        return
    facts, parity = found.facts, found.parity
    click.echo(
        f"{found.name} ({facts['kind']}), version {found.version}, {content['bytes']:,} bytes"
    )
    for name, value in facts["provenance"].items():
        click.echo(f"  {name:<20}{value}")
    score = facts["scores"].get("score")
    if score and score["mean"] is not None:
        click.echo(f"  {'score':<20}{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]")
    for stage in facts["lineage"]:
        click.echo(f"  {'compressed by':<20}{stage['stage']}")
    click.echo("fields")
    for field in found.interface.fields:
        click.echo(f"  {field.name:<28}{field.allowed:<44}{field.meaning}")
    click.echo("outputs")
    for output in found.interface.outputs:
        labels = ", ".join(output.labels)
        click.echo(f"  {output.name:<28}{output.meaning}{': ' if labels else ''}{labels}")
    click.echo("graphs")
    for name, graph in facts["graphs"].items():
        sizes = (
            f"{graph['bytes']:,} bytes, {graph['precision']}, {graph['parameters']:,} parameters"
        )
        click.echo(f"  {name:<28}{sizes}")
        if "lite" in graph:
            here = "" if lite.runtime() else "; not installed here: pip install 'edgewright[lite]'"
            size = len(found.members[graph["lite"]["file"]])
            click.echo(f"  {name + ', for LiteRT':<28}{size:,} bytes{here}")
    click.echo(f"runtimes here: {found.engine.runtimes}")
    click.echo(
        f"parity here: {sum(parity['rows'].values())} rows, scores within "
        f"{parity['worst_score_difference']:.1e}, all {parity['settled']} settled decisions agree"
    )
