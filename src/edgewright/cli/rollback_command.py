"""``edgewright rollback``: let the bundle before the last update or promotion decide again."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import json_option, print_json


@click.command(name="rollback")
@click.argument("bundle")
@click.option(
    "--from", "source", metavar="FILE", help="File of the earlier bundle; BUNDLE.history has it."
)
@json_option
def command(bundle: str, source: str | None, as_json: bool) -> None:
    """Put the bundle before the last update or promotion in the place of BUNDLE, in one step.

    A service that serves BUNDLE takes it up without losing a request.
    """
    from edgewright.bundle.history import rollback

    result = rollback(Path(bundle), Path(source) if source else None)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{bundle}: {result['to']} decides again; before, {result['from']}")
