"""``edgewright inspect``: show what is in a bundle, after every check, or in a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.options import json_option, parity_line, print_json
from edgewright.core.errors import InputError

if TYPE_CHECKING:
    from edgewright.bundle import Bundle

MAX_SHOWN = 1e18
"""No size and no score of a policy is larger."""


@click.command(name="inspect")
@click.argument("file")
@click.option("--figure", metavar="FILE", help="Draw a recording as .svg, .png or .pdf.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="How to read a recording, as in a scenario, e.g. --set unit=kbit/s; repeatable.",
)
@json_option
def command(file: str, figure: str | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Show what is in FILE, a bundle or a recording.

    A bundle is checked first (hashes, schema, operators, parity on this machine). A recording of
    bandwidth, requests, channel gains or positions is read as a scenario would read it.
    """
    if is_recording(file):
        from edgewright.cli.inspect_recording import show_recording
        from edgewright.core.text import parse_override

        show_recording(file, dict(map(parse_override, settings)), figure, as_json)
        return
    for option, given in (("--figure", figure), ("--set", settings)):
        if given:
            hint = f"remove {option}"
            raise InputError("applies to recordings, not to bundles", where=option, hint=hint)
    _show_bundle(file, as_json)


def is_recording(file: str) -> bool:
    """Return whether a file can only be a recording: it exists and is not a zip archive."""
    path = Path(file)
    try:
        if not path.is_file() or path.suffix == ".edge":
            return False
        with path.open("rb") as opened:
            return opened.read(4) != b"PK\x03\x04"
    except (OSError, ValueError):
        return False


def _show_bundle(bundle: str, as_json: bool) -> None:
    from edgewright.bundle import load
    from edgewright.core.text import printable

    result = load(bundle)
    checked: dict[str, Any] = {
        "file": bundle,
        "bytes": Path(bundle).stat().st_size,
        "version": result.version,
        "operators": result.engine.operators,
        "runtimes_here": result.engine.runtimes,
        "parity_here": dict(result.parity),
    }
    content = {**checked, **result.facts, **checked}  # no manifest may speak for what was checked
    if as_json:
        print_json(content)
        return
    for line in _lines(result, content["bytes"]):
        click.echo(printable(line))


def _lines(result: Bundle, size: int) -> Iterator[str]:
    """Print what is in a bundle. What its maker left out of the manifest is not shown."""
    from edgewright.bundle import lite

    facts = result.facts
    yield f"{result.name} ({facts['kind']}), version {result.version}, {size:,} bytes"
    for name, value in facts["provenance"].items():
        yield f"  {name:<20}{value}"
    gap = facts["scores"].get("gap_closed")
    if isinstance(gap, dict):
        mean, *ends = (_percent(gap.get(key)) for key in ("share", "low", "high"))
        if mean:
            yield f"  {'gap closed [%]':<20}{mean} [{', '.join(ends)}]"
    for stage in facts["lineage"]:
        yield f"  {'compressed by':<20}{stage['stage']}"
    yield "fields"
    for field in result.interface.fields:
        met = "; training met {:.7g} to {:.7g}".format(*field.trained) if field.trained else ""
        yield f"  {field.name:<28}{field.allowed:<44}{field.meaning}{met}"
    yield "outputs"
    for output in result.interface.outputs:
        labels = ", ".join(output.labels)
        yield f"  {output.name:<28}{output.meaning}{': ' if labels else ''}{labels}"
    yield "graphs"
    for name, graph in facts["graphs"].items():
        parts = [f"{len(result.graph(name)):,} bytes"]
        parts += [graph["precision"]] if isinstance(graph.get("precision"), str) else []
        count = _number(graph.get("parameters"), ",")
        parts += [f"{count} parameters"] if count else []
        yield f"  {name:<28}{', '.join(parts)}"
        if "lite" in graph:
            here = "" if lite.runtime() else "; not installed here: pip install 'edgewright[lite]'"
            size = len(result.members[graph["lite"]["file"]])
            yield f"  {name + ', for LiteRT':<28}{size:,} bytes{here}"
    yield f"runtimes here: {result.engine.runtimes}"
    yield parity_line(result.parity)


def _number(value: Any, how: str) -> str:
    """Return a number as it is shown; nothing for what is none."""
    shown = type(value) in (int, float) and abs(value) < MAX_SHOWN
    return format(value, how) if shown else ""


def _percent(value: Any) -> str:
    return _number(100 * value, ".0f") if type(value) in (int, float) else ""
