"""Print verdicts in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgewright.studies.claim import Verdict
from edgewright.studies.verdict_text import number, side_by_side, summary

STYLES = {"reproduced": "green", "not reproduced": "red", "not comparable": "yellow"}


def show(title: str, verdicts: Sequence[Verdict]) -> None:
    """Print the verdicts, the settings side by side, and how many there are of each."""
    settings, rows = side_by_side(verdicts)
    table = Table(
        title=f"{title}; 95 % intervals", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("fig.", no_wrap=True)
    table.add_column("claim", ratio=3)
    table.add_column("published", ratio=2)
    for setting in settings:
        table.add_column(setting, ratio=2)
    for row in rows:
        cells = [_cell(row.get(setting)) for setting in settings]
        table.add_row(Text(row["figure"]), Text(row["claim"]), Text(row["published"]), *cells)
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 120))
    console.print(table)
    for line in summary(verdicts):
        click.echo(line)


def _cell(verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text("-")
    return Text(f"{verdict.status}\n{number(verdict)}", style=STYLES[verdict.status])
