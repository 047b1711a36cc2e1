"""A table that prints itself, in a terminal and in a notebook."""

from __future__ import annotations

import dataclasses
import html
import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from edgewright.core.errors import InputError

Columns = Sequence[tuple[str, str, str]]
"""Columns as (key of a row, heading, format specification)."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of plain data with a title.

    Attributes:
        title: one line above the table.
        rows: one dictionary for each row; keys carry their units.
        columns: (key, heading, format) of the columns that are shown; ``rows`` may hold more.
        notes: lines below the table.
    """

    title: str
    rows: list[dict[str, Any]]
    columns: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the rows."""
        return iter(self.rows)

    def to_pandas(self) -> Any:
        """Return the rows as a ``pandas.DataFrame``.

        Raises:
            InputError: pandas is not installed.
        """
        return to_pandas(self.rows)

    def __repr__(self) -> str:
        """Return the table as aligned text."""
        headings = [heading for _, heading, _ in self.columns]
        lines = [headings, *self._cells()]
        widths = [max(len(line[n]) for line in lines) for n in range(len(headings))]
        text = [
            "  ".join(
                cell.ljust(width) if n == 0 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        rule = "-" * max(len(line) for line in text)
        return "\n".join([self.title, "", text[0], rule, *text[1:], *self.notes])

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        head = "".join(f"<th>{html.escape(heading)}</th>" for _, heading, _ in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
            for line in self._cells()
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        caption = html.escape(self.title)
        return (
            f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{notes}"
        )

    def _cells(self) -> list[list[str]]:
        return [[_cell(row.get(key), form) for key, _, form in self.columns] for row in self.rows]


def to_pandas(rows: list[dict[str, Any]]) -> Any:
    """Return rows as a ``pandas.DataFrame``; nested entries become columns ``outer.inner``.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ModuleNotFoundError:
        hint = "pip install pandas, or use .rows"
        raise InputError("pandas is not installed", where="to_pandas", hint=hint) from None
    return pandas.json_normalize(rows)


def _cell(value: Any, form: str) -> str:
    if value is None or value != value:
        return "-"
    return format(value, form) if form and not isinstance(value, str) else str(value)


__all__ = ["Columns", "Table", "to_pandas"]
