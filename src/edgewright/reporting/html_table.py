"""Tables of numbers, text and intervals, as HTML and as plain text."""

from __future__ import annotations

import html
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgewright.core.errors import InputError, nearest
from edgewright.evaluation.statistics import Interval


@dataclass(frozen=True)
class Column:
    """A column with its ``format``, such as ``".3f"``; ``best`` marks the best number.

    ``wrap`` lets long text break over lines.
    """

    key: str
    title: str
    unit: str = ""
    format: str = ""
    best: Literal["", "max", "min"] = ""
    wrap: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of values by column key, each of which is a number, text, None or an `Interval`.

    ``highlight_key`` names a field of the rows (shown or not); rows where it is true stand out.
    """

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    caption: str = ""
    highlight_key: str = ""


def inline_code(text: str) -> str:
    """Return escaped text, with pairs of backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def table_html(table: Table, number: int) -> str:
    """Return a table as HTML, with ``number`` in its caption.

    Raises:
        InputError: no row has the key of a column, or the highlight key.
    """
    known = {key for row in table.rows for key in row}
    for column in table.columns:
        if table.rows and column.key not in known:
            raise InputError(
                f"no row has the column '{column.key}'", hint=nearest(column.key, known)
            )
    if table.highlight_key and table.rows and table.highlight_key not in known:
        hint = nearest(table.highlight_key, known)
        raise InputError(f"no row has the highlight_key '{table.highlight_key}'", hint=hint)
    best = {column.key: _best(column, table.rows) for column in table.columns}
    sides = {
        c.key: "num" if any(_number(r.get(c.key)) is not None for r in table.rows) else "text"
        for c in table.columns
    }
    sides |= {c.key: f"{sides[c.key]} wrap" for c in table.columns if c.wrap}
    head = "".join(
        f'<th scope="col" role="columnheader" class="{sides[c.key]}">{html.escape(c.title)}'
        + (f' <span class="unit">({html.escape(c.unit)})</span>' if c.unit else "")
        + "</th>"
        for c in table.columns
    )
    lines = []
    for row in table.rows:
        cells = "".join(_cell_html(c, row.get(c.key), sides[c.key], best) for c in table.columns)
        chosen = ' class="chosen"' if table.highlight_key and row.get(table.highlight_key) else ""
        lines.append(f'<tr role="row"{chosen}>{cells}</tr>')
    caption = f"Table {number}" + (f". {inline_code(table.caption)}" if table.caption else "")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table {number}">'
        f'<table id="table-{number}" role="table"><caption>{caption}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(lines)}</tbody></table></div>'
    )


def _cell_html(column: Column, value: Any, side: str, best: Mapping[str, float | None]) -> str:
    """Return a cell with its heading, which a narrow page shows, and its interval below it."""
    interval = ""
    if isinstance(value, Interval):
        low, high = (format(end, column.format) for end in (value.low, value.high))
        interval = f' <span class="interval">[{low}, {high}]</span>'
    text = html.escape(_cell(value.estimate if interval else value, column.format))
    number = _number(value)
    if number is not None and number == best[column.key]:
        text = f"<strong>{text}</strong>"
    label = html.escape(f"{column.title} ({column.unit})" if column.unit else column.title)
    return f'<td role="cell" class="{side}" data-label="{label}">{text}{interval}</td>'


def as_text(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return the headings with their units and the cells of a table, as they stand on the page."""
    heads = [f"{c.title} ({c.unit})" if c.unit else c.title for c in table.columns]
    rows = [[_cell(row.get(c.key), c.format) for c in table.columns] for row in table.rows]
    return heads, rows


def _number(value: Any) -> float | None:
    """Return what a cell counts for when numbers are compared, or None."""
    if isinstance(value, Interval):
        value = value.estimate
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        return None
    return float(value)


def _best(column: Column, rows: Sequence[Mapping[str, Any]]) -> float | None:
    numbers = [x for x in (_number(row.get(column.key)) for row in rows) if x is not None]
    if not column.best or len(numbers) < 2:
        return None
    return max(numbers) if column.best == "max" else min(numbers)


def _cell(value: Any, spec: str) -> str:
    if isinstance(value, Interval):
        return value.text(spec)
    if value is None or (isinstance(value, numbers.Real) and math.isnan(value)):
        return "\N{EN DASH}"
    return format(value, spec) if _number(value) is not None else str(value)
