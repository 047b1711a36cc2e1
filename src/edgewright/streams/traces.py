"""File formats of public recordings, read into NumPy records with units in the names.

No JAX here. Every loader refuses bad content with one :class:`InputError` that names the file, the
line or field, the value and the remedy. The formats are those of

- ``seconds Mbit/s`` text: Riiser et al., MMSys 2013 (Norway 3G); Akhtar et al., SIGCOMM 2018
  (Oboe); both as collected in confiwent/Real-world-bandwidth-traces;
- Azure LLM inference requests: Patel et al., Splitwise, ISCA 2024 (Azure/AzurePublicDataset);
- Mooncake requests: Qin et al., FAST 2025 (kvcache-ai/Mooncake).
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewright.core.errors import InputError, nearest

PathLike = str | os.PathLike[str]
Part = Literal["train", "test"]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

AZURE_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
MOONCAKE_FIELDS = ("timestamp", "input_length", "output_length")
MOST_SAMPLES = 100_000_000

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:Z|\+00:00)?")


@dataclass(frozen=True, kw_only=True, eq=False)
class BandwidthTrace:
    """Throughput over time; each value holds until the next time.

    Attributes:
        time_s: ``[n]`` seconds as in the file, strictly increasing; the first need not be 0.
        bandwidth_mbps: ``[n]`` Mbit/s, not negative.
        source: name of the file.
    """

    time_s: Floats
    bandwidth_mbps: Floats
    source: str


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


def load_bandwidth_two_column(path: PathLike, *, max_gap_s: float = 30.0) -> BandwidthTrace:
    """Read a text file of ``seconds Mbit/s`` lines without a header.

    Args:
        path: the file; its columns are separated by white space.
        max_gap_s: longest time [s] between two rows that is taken for a recording without a hole.
            The longest in the 18 openly licensed recordings is 14.3 s (Oboe trace 0; 13.0 s in a
            Norwegian metro), hence 30 s.
    """
    file = Path(path)
    _check_max_gap(max_gap_s)
    rows, lines = [], []
    for number, line in _filled_lines(file):
        rows.append(_two_numbers(line, f"{file}: line {number}"))
        lines.append(number)
    _check_count(file, len(rows), "rows")
    table = np.array(rows, np.float64)
    _check_two_column_order(file, table, lines)
    _check_gap(file, table[:, 0], lines, max_gap_s)
    _check_bandwidth(file, table[:, 1], lines)
    return BandwidthTrace(time_s=table[:, 0], bandwidth_mbps=table[:, 1], source=file.name)


def load_azure_llm(path: PathLike, *, max_gap_s: float = 600.0) -> RequestLog:
    """Read an Azure LLM inference log: a CSV with TIMESTAMP, ContextTokens and GeneratedTokens.

    Columns are found by name, others are ignored. Context and generated tokens under each other's
    name cannot be told from a log of long answers, so that is not refused; a timestamp in a column
    of tokens is.

    Args:
        path: the file; its timestamps are UTC with up to nine fractional digits (seven in 2023).
        max_gap_s: longest time [s] without a request. It is 217.2 s in the log of code completion
            of 2023 and 4.3 s in that of conversation, hence 600 s.
    """
    file = Path(path)
    _check_max_gap(max_gap_s)
    numbered = _filled_lines(file)
    first = next(numbered, None)
    if first is None:
        raise _too_short(file, 0, "requests")
    header = [name.strip() for name in _csv_fields(first[1], f"{file}: line {first[0]}")]
    columns = {name: _column(file, first[0], header, name) for name in AZURE_COLUMNS}
    stamps, tokens, lines = [], [], []
    for number, line in numbered:
        where = f"{file}: line {number}"
        row = _azure_row(line, header, columns, where)
        stamps.append(_timestamp(row, where))
        tokens.append([_tokens(row[name], where, name) for name in AZURE_COLUMNS[1:]])
        lines.append(number)
    _check_count(file, len(stamps), "requests")
    since_first = np.array(stamps, "datetime64[ns]") - stamps[0]
    time_s = since_first / np.timedelta64(1, "s")
    return _request_log(file, time_s, np.array(tokens, np.int64), lines, max_gap_s)


def load_mooncake(path: PathLike, *, max_gap_s: float = 600.0) -> RequestLog:
    """Read a Mooncake log: JSON lines with timestamp [ms], input_length and output_length.

    Other fields (hash_ids) are ignored.

    Args:
        path: the file.
        max_gap_s: longest time [s] without a request. It is 3.0 s in the log of conversation, where
            requests come in batches every 3 s and 89 % of the gaps are zero.
    """
    file = Path(path)
    _check_max_gap(max_gap_s)
    times_ms, tokens, lines = [], [], []
    for number, line in _filled_lines(file):
        where = f"{file}: line {number}"
        row = _json_row(line, where)
        times_ms.append(_number(row["timestamp"], where, "timestamp"))
        tokens.append([_tokens(row[name], where, name) for name in MOONCAKE_FIELDS[1:]])
        lines.append(number)
    _check_count(file, len(times_ms), "requests")
    time_s = (np.array(times_ms, np.float64) - times_ms[0]) / 1000.0
    return _request_log(file, time_s, np.array(tokens, np.int64), lines, max_gap_s)


def load_requests(path: PathLike, *, max_gap_s: float = 600.0) -> RequestLog:
    """Read a request log by its suffix: ``.csv`` as Azure LLM, ``.jsonl`` as Mooncake."""
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


def resample_zero_order_hold(time_s: ArrayLike, value: ArrayLike, interval_s: float) -> Floats:
    """Sample a trace at 0, 1, 2, ... times ``interval_s`` after its first time stamp.

    A value holds until the next sample. The last sample is the last time stamp or less than an
    interval before it: what held after the last time stamp is not known. A time stamp that is late
    by less than a millionth of an interval counts as in time (decimal fractions are not exact).

    Args:
        time_s: ``[n]`` strictly increasing times [s].
        value: ``[n]`` values in any unit.
        interval_s: time between two samples [s].
    """
    times, values = np.asarray(time_s, np.float64), np.asarray(value, np.float64)
    if times.ndim != 1 or times.shape != values.shape or times.size == 0:
        raise InputError(
            f"time_s has shape {times.shape} and value has shape {values.shape}",
            where="resample_zero_order_hold",
            hint="give two non-empty vectors of one length",
        )
    if np.any(np.diff(times) <= 0):
        raise InputError("time_s is not increasing", where="resample_zero_order_hold")
    check_positive("interval_s", interval_s)
    since_first = times - times[0]
    tolerance = 1e-6
    intervals = since_first[-1] / interval_s
    if intervals >= MOST_SAMPLES:
        raise InputError(
            f"interval_s = {interval_s:g} makes {intervals:.3g} samples of one recording",
            where="interval_s",
            hint=f"choose an interval that makes fewer than {MOST_SAMPLES}",
        )
    at = np.arange(math.floor(intervals + tolerance) + 1)
    held = np.searchsorted(since_first / interval_s, at + tolerance, side="right") - 1
    return values[held]


def split_by_file(
    paths: Iterable[PathLike], part: Part, test_share: float = 0.3
) -> tuple[Path, ...]:
    """Return the files of one part: no recording is ever in both.

    Files are ordered by the SHA-256 of their names, and the first ``ceil(test_share * files)`` (but
    never all) are the test part. So the split is the same on every machine and in whatever order
    the files are given, and adding a file moves at most one other between the parts.

    Args:
        paths: at least two files.
        part: ``"train"`` or ``"test"``.
        test_share: share of the files that is held out, in (0, 1).
    """
    check_part(part)
    if not 0.0 < test_share < 1.0:
        raise InputError(f"test_share = {test_share} is not in (0, 1)", where="test_share")
    files = sorted({Path(path) for path in paths}, key=_split_order)
    if len(files) < 2:
        given = f"only '{files[0].name}'" if files else "no file"
        raise InputError(
            f"{given} was given: with fewer than two files one part would be empty, or both parts "
            "would hold the same recording",
            where="split_by_file",
            hint="give two or more files, e.g. cut the recording in two",
        )
    count = math.ceil(test_share * len(files) - 1e-9)
    count = min(max(count, 1), len(files) - 1)
    return tuple(files[:count] if part == "test" else files[count:])


def check_part(part: str) -> None:
    """Refuse anything but ``"train"`` and ``"test"``."""
    if part not in ("train", "test"):
        raise InputError(
            f"'{part}' is not a part", where="part", hint=nearest(str(part), ("train", "test"))
        )


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not positive and finite."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(
            f"{name} = {value} is not positive and finite", where=name, hint=f"give {name} > 0"
        )


def _split_order(path: Path) -> tuple[str, str]:
    return hashlib.sha256(path.name.encode()).hexdigest(), str(path)


def _filled_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number (from 1) and the text of every line that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            "no such file", where=str(path), hint="check the path and the data folder"
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be read: {reason}", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not UTF-8 text (byte {error.start})",
            where=str(path),
            hint="unpack the file if it is compressed",
        ) from None
    return ((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())


def _two_numbers(line: str, where: str) -> tuple[float, float]:
    words = line.split()
    if len(words) != 2:
        hint = "each line is 'seconds Mbit/s', separated by white space"
        if "," in line or ";" in line:
            hint += ", not by commas"
        found = f"{len(words)} column" + ("" if len(words) == 1 else "s")
        raise InputError(f"2 columns expected, {found} found: '{line}'", where=where, hint=hint)
    hint = "mend or remove the line; the file has no header"
    return _number(words[0], where, "seconds", hint), _number(words[1], where, "Mbit/s", hint)


def _number(value: Any, where: str, field: str, hint: str = "mend or remove the line") -> float:
    """Return a finite number given as text or JSON."""
    number = math.nan
    is_text = isinstance(value, str) and "_" not in value  # Python reads 1_000 as a number
    if is_text or (isinstance(value, int | float) and not isinstance(value, bool)):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise InputError(f"{field} = {value!r} is not a finite number", where=where, hint=hint)
    return number


def _tokens(value: Any, where: str, field: str) -> int:
    if isinstance(value, str) and _TIMESTAMP.fullmatch(value.strip()):
        raise InputError(
            f"{field} = '{value}' is a timestamp: the columns are swapped",
            where=where,
            hint=f"order the values as the header names them, e.g. {','.join(AZURE_COLUMNS)}",
        )
    number = _number(value, where, field)
    if number < 0 or number != math.floor(number) or number > 2**53:
        raise InputError(
            f"{field} = {value} is not a count of tokens",
            where=where,
            hint="tokens are whole numbers from 0; mend or remove the line",
        )
    return int(number)


def _timestamp(row: Mapping[str, str], where: str) -> np.datetime64:
    text = row["TIMESTAMP"].strip()
    match = _TIMESTAMP.fullmatch(text)
    if match:
        try:
            return np.datetime64(f"{match[1]}T{match[2]}", "ns")
        except ValueError:
            pass  # a month 13 has the right form, and falls through to the refusal below
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
            hint="mend or remove the line",
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
    _check_gap(path, time_s, lines, max_gap_s)
    return RequestLog(
        time_s=time_s, input_tokens=tokens[:, 0], output_tokens=tokens[:, 1], source=path.name
    )


def _check_max_gap(max_gap_s: float) -> None:
    if not max_gap_s > 0:
        raise InputError(
            f"max_gap_s = {max_gap_s} is not positive",
            where="max_gap_s",
            hint="give seconds > 0; infinity accepts any gap",
        )


def _too_short(path: Path, count: int, what: str) -> InputError:
    problem = f"it holds only {count} of the {what} needed" if count else "the file is empty"
    return InputError(problem, where=str(path), hint=f"a recording needs two or more {what}")


def _check_count(path: Path, count: int, what: str) -> None:
    if count < 2:
        raise _too_short(path, count, what)


def _check_two_column_order(path: Path, table: Floats, lines: Sequence[int]) -> None:
    stuck = np.flatnonzero(np.diff(table[:, 0]) <= 0)
    if not stuck.size:
        return
    at = int(stuck[0]) + 1
    hint = "sort the file by time and keep one row for each time"
    if np.all(np.diff(table[:, 1]) > 0):
        hint = "the second column increases: the columns are swapped; write 'seconds Mbit/s'"
    raise InputError(
        f"the time does not increase: {table[at, 0]:g} s after {table[at - 1, 0]:g} s",
        where=f"{path}: line {lines[at]}",
        hint=hint,
    )


def _check_gap(path: Path, time_s: Floats, lines: Sequence[int], max_gap_s: float) -> None:
    gaps = np.diff(time_s)
    at = int(np.argmax(gaps))
    if gaps[at] > max_gap_s:
        raise InputError(
            f"nothing was recorded for {gaps[at]:.6g} s, from {time_s[at]:.6g} s to "
            f"{time_s[at + 1]:.6g} s; the limit is {max_gap_s:g} s",
            where=f"{path}: line {lines[at + 1]}",
            hint=f"cut the file here, or set max_gap_s = {math.ceil(gaps[at])} to accept the gap",
        )


def _check_bandwidth(path: Path, bandwidth_mbps: Floats, lines: Sequence[int]) -> None:
    negative = np.flatnonzero(bandwidth_mbps < 0)
    if negative.size:
        at = int(negative[0])
        raise InputError(
            f"the bandwidth is negative: {bandwidth_mbps[at]:g} Mbit/s",
            where=f"{path}: line {lines[at]}",
            hint="an outage is 0; mend or remove the line",
        )
    if not np.any(bandwidth_mbps > 0):
        raise InputError(
            "the bandwidth is 0 Mbit/s in every row",
            where=str(path),
            hint="remove the file: it holds no link",
        )
