"""Read logs of requests to language models, in any of the formats of ``traces.formats``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.streams.traces.columns import Selection, find_columns, seconds
from edgewright.streams.traces.lines import Floats, Integers, PathLike, check_count, finite_number
from edgewright.streams.traces.plausible import check_gap, check_requests
from edgewright.streams.traces.reading import Reading
from edgewright.streams.traces.tables import read_table
from edgewright.streams.traces.units import clock

MAX_GAP_S = 600.0
"""The longest time without a request is 217.2 s in Azure's log of code completion of 2023, 4.3 s in
that of conversation and 3.0 s in Mooncake's log of conversation."""

MAX_TOKENS = 1e8
"""No request reads or writes more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RequestLog:
    """Requests to a language model in order of arrival.

    Attributes:
        time_s: ``[n]`` seconds since the first request, not decreasing.
        input_tokens: ``[n]`` tokens read, not negative.
        output_tokens: ``[n]`` tokens generated, not negative.
        source: name of the file.
        format: name of the file's format.
        notes: what the reader assumed, in words.
    """

    time_s: Floats
    input_tokens: Integers
    output_tokens: Integers
    source: str
    format: str = ""
    notes: tuple[str, ...] = ()


def load_requests(path: PathLike, reading: Reading | None = None) -> RequestLog:
    """Read a log of requests, whose format follows from its columns, which are found by name.

    Context and generated tokens under each other's name look like a log of long answers, so that is
    not refused; a timestamp in a column of tokens is.

    Args:
        path: the file.
        reading: what the file does not say itself.

    Raises:
        InputError: the format is not known, a line is wrong, or the times are not plausible.
    """
    reading = reading or Reading()
    selection = find_columns(read_table(Path(path), "requests"), "requests", reading)
    time_s, unit, is_assumed = seconds(selection, reading)
    tokens = [_tokens(selection, role) for role in ("input", "output")]
    check_count(selection.table.file, time_s.size, "requests")
    back = np.flatnonzero(np.diff(time_s) < 0)
    if back.size:
        at = int(back[0]) + 1
        raise InputError(
            f"the time goes back by {time_s[at - 1] - time_s[at]:.6g} s",
            where=selection.table.where(at),
            hint="sort the log by time",
        )
    check_gap(selection, np.arange(time_s.size), time_s, reading, MAX_GAP_S)
    check_requests(selection, time_s, reading, is_assumed)
    return RequestLog(
        time_s=time_s,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        source=selection.table.file.name,
        format=selection.form_name,
        notes=(f"the times are taken to be in {unit}: the file does not say",) * is_assumed,
    )


def _tokens(selection: Selection, role: str) -> Integers:
    name, values = selection.values(role)
    where = selection.table.where
    return np.array([_count(value, where(n), name) for n, value in enumerate(values)], np.int64)


def _count(value: Any, where: str, field: str) -> int:
    if clock(value) is not None:
        raise InputError(
            f"{field} = '{value}' is a timestamp: the columns are swapped",
            where=where,
            hint="order the values as the header names them",
        )
    number = finite_number(value, where, field)
    if number < 0 or number != math.floor(number) or number > MAX_TOKENS:
        raise InputError(
            f"{field} = {value} is not a count of tokens",
            where=where,
            hint=f"tokens are whole numbers from 0 to {MAX_TOKENS:g}; correct or remove the line",
        )
    return int(number)
