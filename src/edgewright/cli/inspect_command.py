"""``edgewright inspect``: what a bundle is, after it passed every check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.options import json_option, parity_line, print_json

if TYPE_CHECKING:
    from edgewright.bundle import Bundle

MAX_SHOWN = 1e18
"""No size and no score of a policy is larger."""


@click.command(name="inspect")
@click.argument("bundle")
@json_option
def command(bundle: str, as_json: bool) -> None:
    """Check BUNDLE (hashes, schema, operators, parity on this machine) and show what is in it."""
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
    score = facts["scores"].get("score")
    if isinstance(score, dict):
        mean, *ends = (_number(score.get(key), ".3f") for key in ("mean", "low", "high"))
        if mean:
            yield f"  {'score':<20}{mean} [{', '.join(ends)}]"
    for stage in facts["lineage"]:
        yield f"  {'compressed by':<20}{stage['stage']}"
    yield "fields"
    for field in result.interface.fields:
        yield f"  {field.name:<28}{field.allowed:<44}{field.meaning}"
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
