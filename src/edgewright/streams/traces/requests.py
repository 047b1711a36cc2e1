"""Recorded requests to language models.

- Azure LLM inference requests: Patel et al., Splitwise, ISCA 2024 (Azure/AzurePublicDataset);
- Mooncake requests: Qin et al., FAST 2025 (kvcache-ai/Mooncake).
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.streams.traces.lines import (
    Floats,
    Integers,
    PathLike,
    check_count,
    check_gap,
    check_max_gap,
    filled_lines,
    finite_number,
    too_short,
)

AZURE_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
MOONCAKE_FIELDS = ("timestamp", "input_length", "output_length")

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:Z|\+00:00)?")


@dataclass(frozen=True, kw_only=True, eq=False)
class RequestLog:
    """Requests to a language model in order of arrival.

    Attributes:
        time_s: ``[n]`` seconds since the first request, not decreasing.
        input_tokens: ``[n]`` tokens read, not negative.
        output_tokens: ``[n]`` tokens generated, not negative.
        source: name of the file.
    """

    time_s: Floats
    input_tokens: Integers
    output_tokens: Integers
    source: str


def load_azure_llm(path: PathLike, *, max_gap_s: float = 600.0) -> RequestLog:
    """Read an Azure LLM inference log, a CSV with TIMESTAMP, ContextTokens and GeneratedTokens.

    Columns are found by name, others are ignored. Context and generated tokens under each other's
    name look like a log of long answers, so that is not refused; a timestamp in a column
    of tokens is.

    Args:
        path: the file; its timestamps are UTC with up to nine fractional digits (seven in 2023).
        max_gap_s: longest time [s] without a request. It is 217.2 s in the log of code completion
            of 2023 and 4.3 s in that of conversation, hence 600 s.
    """
    file = Path(path)
    check_max_gap(max_gap_s)
    numbered = filled_lines(file)
    first = next(numbered, None)
    if first is None:
        raise too_short(file, 0, "requests")
    header = [name.strip() for name in _csv_fields(first[1], f"{file}: line {first[0]}")]
    columns = {name: _column(file, first[0], header, name) for name in AZURE_COLUMNS}
    stamps, tokens, lines = [], [], []
    for number, line in numbered:
        where = f"{file}: line {number}"
        row = _azure_row(line, header, columns, where)
        stamps.append(_timestamp(row, where))
        tokens.append([_tokens(row[name], where, name) for name in AZURE_COLUMNS[1:]])
        lines.append(number)
    check_count(file, len(stamps), "requests")
    since_first = np.array(stamps, "datetime64[ns]") - stamps[0]
    time_s = since_first / np.timedelta64(1, "s")
    return _request_log(file, time_s, np.array(tokens, np.int64), lines, max_gap_s)


def load_mooncake(path: PathLike, *, max_gap_s: float = 600.0) -> RequestLog:
    """Read a Mooncake log, JSON lines with timestamp [ms], input_length and output_length.

    Other fields (hash_ids) are ignored.

    Args:
        path: the file.
        max_gap_s: longest time [s] without a request. It is 3.0 s in the log of conversation, where
            requests come in batches every 3 s and 89 % of the gaps are zero.
    """
    file = Path(path)
    check_max_gap(max_gap_s)
    times_ms, tokens, lines = [], [], []
    for number, line in filled_lines(file):
        where = f"{file}: line {number}"
        row = _json_row(line, where)
        times_ms.append(finite_number(row["timestamp"], where, "timestamp"))
        tokens.append([_tokens(row[name], where, name) for name in MOONCAKE_FIELDS[1:]])
        lines.append(number)
    check_count(file, len(times_ms), "requests")
    time_s = (np.array(times_ms, np.float64) - times_ms[0]) / 1000.0
    return _request_log(file, time_s, np.array(tokens, np.int64), lines, max_gap_s)


def load_requests(path: PathLike, *, max_gap_s: float = 600.0) -> RequestLog:
    """Read a request log by its suffix, ``.csv`` as Azure LLM or ``.jsonl`` as Mooncake."""
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        return load_azure_llm(path, max_gap_s=max_gap_s)
    if suffix == ".jsonl":
        return load_mooncake(path, max_gap_s=max_gap_s)
    raise InputError(
        f"no request log is known by the suffix '{suffix}'",
        where=str(path),
        hint="give a .csv (Azure LLM) or a .jsonl (Mooncake)",
    )


def _tokens(value: Any, where: str, field: str) -> int:
    if isinstance(value, str) and _TIMESTAMP.fullmatch(value.strip()):
        raise InputError(
            f"{field} = '{value}' is a timestamp: the columns are swapped",
            where=where,
            hint=f"order the values as the header names them, e.g. {','.join(AZURE_COLUMNS)}",
        )
    number = finite_number(value, where, field)
    if number < 0 or number != math.floor(number) or number > 2**53:
        raise InputError(
            f"{field} = {value} is not a count of tokens",
            where=where,
            hint="tokens are whole numbers from 0; correct or remove the line",
        )
    return int(number)


def _timestamp(row: Mapping[str, str], where: str) -> np.datetime64:
    text = row["TIMESTAMP"].strip()
    match = _TIMESTAMP.fullmatch(text)
    if match:
        try:
            return np.datetime64(f"{match[1]}T{match[2]}", "ns")
        except ValueError:
            pass  # a month 13 has the right form, and falls through to the error below
    hint = "write it as 2023-11-16 18:17:03.9799600 (UTC)"
    others = [name for name in AZURE_COLUMNS[1:] if _TIMESTAMP.fullmatch(row[name].strip())]
    if others:
        hint = f"the columns are swapped: the timestamp is in the column {others[0]}"
    raise InputError(f"TIMESTAMP = '{text}' is not a timestamp", where=where, hint=hint)


def _column(path: Path, number: int, header: Sequence[str], name: str) -> int:
    if name not in header:
        raise InputError(
            f"the column '{name}' is missing; the header is '{','.join(header)}'",
            where=f"{path}: line {number}",
            hint=f"{nearest(name, header)} the names needed are {','.join(AZURE_COLUMNS)}",
        )
    return header.index(name)


def _azure_row(
    line: str, header: Sequence[str], columns: Mapping[str, int], where: str
) -> dict[str, str]:
    words = _csv_fields(line, where)
    if len(words) != len(header):
        raise InputError(
            f"{len(header)} fields expected, {len(words)} found: '{line}'",
            where=where,
            hint="correct or remove the line",
        )
    return {name: words[index] for name, index in columns.items()}


def _csv_fields(line: str, where: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error as error:
        raise InputError(f"is not a line of CSV: {error}", where=where) from None


def _json_row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise InputError(
            f"is not a JSON object: '{line[:60]}'",
            where=where,
            hint='write one object a line, e.g. {"timestamp": 0, "input_length": 9, ...}',
        )
    for name in MOONCAKE_FIELDS:
        if name not in row:
            raise InputError(
                f"the field '{name}' is missing", where=where, hint=nearest(name, row) + " here"
            )
    return row


def _request_log(
    path: Path, time_s: Floats, tokens: Integers, lines: Sequence[int], max_gap_s: float
) -> RequestLog:
    back = np.flatnonzero(np.diff(time_s) < 0)
    if back.size:
        at = int(back[0]) + 1
        raise InputError(
            f"the time goes back by {time_s[at - 1] - time_s[at]:.6g} s",
            where=f"{path}: line {lines[at]}",
            hint="sort the log by time",
        )
    check_gap(path, time_s, lines, max_gap_s)
    return RequestLog(
        time_s=time_s, input_tokens=tokens[:, 0], output_tokens=tokens[:, 1], source=path.name
    )
