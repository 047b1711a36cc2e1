"""Write a decision log as a Parquet file, one row for each decision with its outcome.

Columns: ``id``, ``at``, ``policy``, ``decided_by``, ``clamped``, ``propensity``, ``client``,
``reward``, ``outcome_at``, and one for each field of the observation (``observation.NAME``), of
the decision (``decision.NAME``) and of the metrics (``metrics.NAME``).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgewright.core.errors import InputError
from edgewright.core.files import replacing
from edgewright.serve.log_file import SCHEMA
from edgewright.serve.log_reader import DecisionLogReader, LoggedDecision

ROWS = 20_000
"""Rows that are held in memory at once, one group of the file."""

PARTS = ("observation", "decision", "metrics")
_FIXED = (
    "id",
    "at",
    "policy",
    "decided_by",
    "clamped",
    "propensity",
    "client",
    "reward",
    "outcome_at",
)

_INT, _FLOAT, _TEXT, _JSON = "int", "float", "text", "json"


def export_log(reader: DecisionLogReader, out: Path) -> dict[str, Any]:
    """Write a log as Parquet and return how many rows and which columns it has.

    Values of a field that have several types become JSON texts; numbers become floats where one of
    them is. A field that a row lacks is null there.

    Raises:
        InputError: pyarrow is not installed, or a row of the log is damaged.
    """
    try:
        import pyarrow as arrow  # pyright: ignore[reportMissingImports]
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        hint = "pip install 'edgewright[parquet]'"
        raise InputError("'pyarrow' is not installed", where="log export", hint=hint) from None
    kinds = _kinds(reader)
    types = {_INT: arrow.int64(), _FLOAT: arrow.float64(), _TEXT: arrow.string()}
    fixed = {
        **dict.fromkeys(_FIXED, arrow.float64()),
        **dict.fromkeys(("id", "policy", "decided_by", "client"), arrow.string()),
        "clamped": arrow.list_(arrow.string()),
    }
    columns = [
        *fixed.items(),
        *((name, _arrow(arrow, kind, types)) for name, kind in kinds.items()),
    ]
    schema = arrow.schema(columns, metadata={"edgewright.log.schema": str(SCHEMA)})
    rows = 0
    with replacing(out) as file, parquet.ParquetWriter(file, schema) as writer:
        for part in _batches(reader):
            table = {name: [getattr(one, name) for one in part] for name in _FIXED}
            table |= {
                name: [_value(one, name, kind) for one in part] for name, kind in kinds.items()
            }
            writer.write_table(arrow.table(table, schema=schema))
            rows += len(part)
    return {"rows": rows, "columns": [name for name, _ in columns], "out": str(out)}


def _batches(reader: DecisionLogReader) -> Iterator[list[LoggedDecision]]:
    rows = reader.rows()
    while part := list(itertools.islice(rows, ROWS)):
        yield part


def _kinds(reader: DecisionLogReader) -> dict[str, tuple[str, int]]:
    """Return the type of every field by its column: that of a value, and how deep its lists are."""
    result: dict[str, tuple[str, int]] = {}
    for row in reader.rows():
        for part in PARTS:
            for name, value in getattr(row, part).items():
                column, kind = f"{part}.{name}", _kind(value)
                result[column] = _merged(result[column], kind) if column in result else kind
    return {column: result[column] for column in sorted(result)}


def _kind(value: Any) -> tuple[str, int]:
    if isinstance(value, list) and value:
        kind = _kind(value[0])
        for other in value[1:]:
            kind = _merged(kind, _kind(other))
        return (_JSON, 0) if kind[0] == _JSON else (kind[0], kind[1] + 1)
    names: Mapping[type, str] = {int: _INT, float: _FLOAT, str: _TEXT}
    name = names.get(type(value), _JSON)
    if type(value) is int and not -(2**63) <= value < 2**63:
        return _FLOAT, 0
    return name, 0


def _merged(ours: tuple[str, int], other: tuple[str, int]) -> tuple[str, int]:
    if ours == other:
        return ours
    numbers = {ours[0], other[0]} == {_INT, _FLOAT}
    return (_FLOAT, ours[1]) if numbers and ours[1] == other[1] else (_JSON, 0)


def _arrow(arrow: Any, kind: tuple[str, int], types: Mapping[str, Any]) -> Any:
    result = types.get(kind[0], types[_TEXT])
    for _ in range(kind[1]):
        result = arrow.list_(result)
    return result


def _value(row: LoggedDecision, column: str, kind: tuple[str, int]) -> Any:
    part, _, name = column.partition(".")
    values = getattr(row, part)
    if name not in values:
        return None
    return json.dumps(values[name]) if kind[0] == _JSON else values[name]


__all__ = ["export_log"]
