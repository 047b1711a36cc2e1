"""Show what a recording holds, in words and as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import print_json
from edgewright.core.errors import InputError

FORMATS = (".svg", ".png", ".pdf")
"""Endings of the name of a figure."""


def show_recording(file: str, settings: dict[str, Any], figure: str | None, as_json: bool) -> None:
    """Print the summary of a recording; draw it where a figure is asked for."""
    from edgewright.core.text import printable
    from edgewright.streams.contents import read_recording
    from edgewright.streams.summary import duration

    if figure:
        _check_figure(figure)
    summary, content = read_recording(file, settings)
    if figure:
        _draw(figure, content, f"{Path(file).name}: {summary.kind}, {summary.format}")
    if as_json:
        print_json({"file": file, **summary.facts(), "figure": figure})
        return
    count = f" in {summary.recordings} recordings" if summary.recordings > 1 else ""
    span = "" if summary.span_s is None else f", {duration(summary.span_s)}"
    lines = [
        f"{file}: {summary.kind}, format {summary.format}",
        f"  {summary.rows:,} rows{count}{span}",
        *(f"  {quantity.text()}" for quantity in summary.quantities),
        *(f"  note: {note}" for note in summary.notes),
        *([f"  figure: {figure}"] if figure else []),
    ]
    for line in lines:
        click.echo(printable(line))


def _check_figure(path: str) -> None:
    """Refuse the name of a figure before any work."""
    from edgewright.core.files import check_writable

    if Path(path).suffix.lower() not in FORMATS:
        message = f"must end in {', '.join(FORMATS)}; got '{path}'"
        raise InputError(message, where="--figure", hint="e.g. --figure recording.png")
    check_writable(Path(path), "--figure", folder=False)


def _draw(path: str, content: Any, title: str) -> None:
    from edgewright.core.files import write_bytes
    from edgewright.core.text import printable
    from edgewright.reporting.recording_figure import recording_figure
    from edgewright.reporting.style import to_bytes

    extension = Path(path).suffix.lower().lstrip(".")
    write_bytes(Path(path), to_bytes(recording_figure(content, printable(title)), extension))
