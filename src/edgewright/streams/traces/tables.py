"""Cut a text file into named columns, as CSV, JSON lines or columns separated by white space."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgewright.core.errors import InputError, nearest
from edgewright.streams.traces.lines import filled_lines, is_number, too_short
from edgewright.streams.traces.units import clock

Layout = Literal["csv", "jsonl", "columns"]

MAX_SHOWN = 80
"""Characters of a line that a message shows."""

_COMMA_NUMBER = re.compile(r"[-+]?\d+(?:,\d+)?")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a file under named columns.

    Attributes:
        file: where they are from.
        layout: how the file separates its columns.
        names: names of the columns as the file spells them, or ``"1"``, ``"2"``, ... .
        has_header: whether the file names its columns.
        rows: text, or values of JSON, one list for each row.
        lines: number of each row's line, from 1.
    """

    file: Path
    layout: Layout
    names: list[str]
    has_header: bool
    rows: list[list[Any]]
    lines: list[int]

    def where(self, row: int) -> str:
        """Return the file and line of a row."""
        return f"{self.file}: line {self.lines[row]}"


def read_table(file: Path, what: str) -> Table:
    """Read the rows of a file.

    Args:
        file: text in UTF-8; lines that begin with ``#`` are comments.
        what: what its rows are, for messages: ``"rows"`` or ``"requests"``.

    Raises:
        InputError: the file cannot be read, is empty, or a line does not fit the others.
    """
    numbered = [(n, line) for n, line in filled_lines(file) if not line.lstrip().startswith("#")]
    if not numbered:
        raise too_short(file, 0, what)
    if numbered[0][1].lstrip()[:1] in ("{", "["):
        return _json_lines(file, numbered)
    _refuse_decimal_commas(file, numbered)
    delimiter = _delimiter(numbered[0][1])
    cut = [(n, _fields(line, delimiter, f"{file}: line {n}")) for n, line in numbered]
    first = [word.strip() for word in cut[0][1]]
    has_header = not is_number(first[0]) and clock(first[0]) is None
    if has_header and len(set(first)) < len(first):
        twice = next(name for name in first if first.count(name) > 1)
        message = f"the header names '{twice}' more than once"
        hint = "give each column a name of its own"
        raise InputError(message, where=f"{file}: line {cut[0][0]}", hint=hint)
    names = first if has_header else [str(n + 1) for n in range(len(first))]
    table = Table(
        file=file,
        layout="csv" if delimiter else "columns",
        names=names,
        has_header=has_header,
        rows=[words for _, words in cut[has_header:]],
        lines=[n for n, _ in cut[has_header:]],
    )
    for at, row in enumerate(table.rows):
        if len(row) != len(names):
            raise _wrong_width(table, at, dict(numbered)[table.lines[at]])
    return table


def _wrong_width(table: Table, at: int, line: str) -> InputError:
    word = "fields" if table.layout == "csv" else "columns"
    message = f"{len(table.names)} {word} expected, {len(table.rows[at])} found"
    return InputError(
        f"{message}: '{line.strip()[:MAX_SHOWN]}'",
        where=table.where(at),
        hint="correct or remove the line",
    )


def _delimiter(line: str) -> str | None:
    """Return what separates the columns of a CSV; None for white space."""
    counts = {mark: line.count(mark) for mark in (";", ",", "\t")}
    if "\t" in line and all(is_number(word) for word in line.split()):
        counts["\t"] = 0  # numbers between tabs are columns between white space
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else None


def _fields(line: str, delimiter: str | None, where: str) -> list[str]:
    if delimiter is None:
        return line.split()
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error as error:
        raise InputError(
            f"is not a line of CSV: {error}", where=where, hint="correct or remove the line"
        ) from None


def _refuse_decimal_commas(file: Path, numbered: list[tuple[int, str]]) -> None:
    number, line = numbered[0] if len(numbered) == 1 else numbered[1]
    words = re.split(r"[;\s]+", line.strip())
    if len(words) < 2 or "," not in line:
        return
    if all(_COMMA_NUMBER.fullmatch(word) for word in words):
        raise InputError(
            f"numbers are written with a decimal comma: '{line.strip()[:MAX_SHOWN]}'",
            where=f"{file}: line {number}",
            hint=f"write a point: sed -i 's/,/./g' {shlex.quote(str(file))}",
        )


def _json_lines(file: Path, numbered: list[tuple[int, str]]) -> Table:
    parsed = [_json_object(line, f"{file}: line {n}") for n, line in numbered]
    names = list(parsed[0])
    lines = [n for n, _ in numbered]
    rows = [list(_in_order(row, names)) for row in parsed]
    return Table(file=file, layout="jsonl", names=names, has_header=True, rows=rows, lines=lines)


def _in_order(row: dict[str, Any], names: list[str]) -> Iterator[Any]:
    return (row.get(name, Missing(tuple(row))) for name in names)


@dataclass(frozen=True)
class Missing:
    """Stand-in for the value of a field that a JSON object lacks."""

    names: tuple[str, ...]

    def error(self, name: str, where: str) -> InputError:
        """Return the error of the missing field ``name``."""
        message = f"the field '{name}' is missing"
        close = nearest(name, self.names) if self.names else ""
        hint = f"{close} here" if close.startswith("did") else "add it, or remove the line"
        return InputError(message, where=where, hint=hint)


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # ValueError: also a number of too many digits
        row = None
    if not isinstance(row, dict):
        raise InputError(
            f"is not a JSON object: '{line.strip()[:60]}'",
            where=where,
            hint='write one object a line, e.g. {"timestamp": 0, "input_length": 9, ...}',
        )
    return row
