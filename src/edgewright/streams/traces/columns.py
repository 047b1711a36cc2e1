"""Find the columns of a recording by its format and read them as numbers in one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.streams.traces.formats import CLOCK, FORMATS, Column, Format, Kind
from edgewright.streams.traces.lines import Floats, finite_number, too_short
from edgewright.streams.traces.reading import BANDWIDTH_ROLES, REQUEST_ROLES, Reading
from edgewright.streams.traces.tables import Missing, Table
from edgewright.streams.traces.units import (
    TIME_UNITS,
    clock,
    epoch_unit,
    plain,
    rate_in_name,
    time_in_name,
)

ROLES = {"bandwidth": BANDWIDTH_ROLES, "requests": REQUEST_ROLES}
LABELS = {"time": "seconds", "rate": "Mbit/s"}
"""What messages call the columns of a file without a header."""

WHAT = {"bandwidth": "rows", "requests": "requests"}
"""What the rows of each kind are called."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The columns of a table.

    Attributes:
        table: the rows.
        kind: what they record.
        form: the format they have, or None where only the user named the columns.
        names: the columns of each role.
    """

    table: Table
    kind: Kind
    form: Format | None
    names: dict[str, list[str]]

    @property
    def form_name(self) -> str:
        """Name of the format."""
        return self.form.name if self.form else "columns as named"

    def unit(self, role: str) -> tuple[str, bool]:
        """Return the unit of a role's column, "" if nothing states it, and whether by custom."""
        name = self.names[role][0]
        stated = (rate_in_name if role == "rate" else time_in_name)(name)[1]
        known = [c for c in self.form.columns if c.role == role] if self.form else []
        column = known[0] if known else Column(role=role, names=())
        if column.unit or stated:
            return (column.unit, column.is_assumed) if column.unit else (stated or "", False)
        if self.kind == "bandwidth" and (role == "time" or not self.table.has_header):
            return ("s" if role == "time" else "Mbit/s"), True
        return "", False

    def values(self, role: str) -> tuple[str, list[Any]]:
        """Return the name and the values of a role's column.

        Raises:
            InputError: a JSON object lacks it.
        """
        return self.at(self.names[role][0])

    def at(self, name: str) -> tuple[str, list[Any]]:
        """Return the name and the values of a column."""
        index = self.table.names.index(name)
        values = [row[index] for row in self.table.rows]
        for row, value in enumerate(values):
            if isinstance(value, Missing):
                raise value.error(name, self.table.where(row))
        return name, values


def find_columns(table: Table, kind: Kind, reading: Reading) -> Selection:
    """Return the columns of a table that hold a recording of ``kind``.

    Raises:
        InputError: it has no known format, or a column that the reading names is not there.
    """
    roles = ROLES[kind]
    if not table.rows:
        raise too_short(table.file, 0, WHAT[kind])
    for role, name in reading.columns.items():
        if role not in roles:
            message = f"'{role}' is not what a column of this recording can hold"
            hint = f"name columns for {', '.join(roles)}"
            raise InputError(message, where=f"{reading.prefix}columns", hint=hint)
        if name not in table.names:
            message = f"the file has no column '{name}' ({role})"
            raise InputError(
                message,
                where=str(table.file),
                hint=reading.columns_hint(roles, table.names, table.has_header),
            )
    formats = [form for form in FORMATS if form.kind == kind]
    form = next((form for form in formats if form.match(table)), None)
    names = (form.match(table) if form else None) or {}
    names |= {role: [name] for role, name in reading.columns.items()}
    selection = Selection(table=table, kind=kind, form=form, names=names)
    if form and form.is_by_unit:
        _check_one_each(selection, roles, reading)
    if not form and not set(roles) <= set(names):
        raise _unknown(table, kind, reading)
    return selection


def numbers(selection: Selection, role: str) -> Floats:
    """Return the finite numbers of a role's column."""
    name, values = selection.values(role)
    if not selection.table.has_header:
        name = LABELS.get(role, role)
    where = selection.table.where
    return np.array([finite_number(value, where(n), name) for n, value in enumerate(values)])


def seconds(selection: Selection, reading: Reading) -> tuple[Floats, str, bool]:
    """Return the times [s] since the first row, their unit, and whether that is a custom.

    Raises:
        InputError: a time cannot be read, or nothing states the unit.
    """
    unit, is_assumed = selection.unit("time")
    name, values = selection.values("time")
    is_text = clock(values[0]) is not None and (is_assumed or not unit)
    if reading.time_unit is None and (unit == CLOCK or is_text):
        stamps = [_clock(selection, n, value) for n, value in enumerate(values)]
        since = np.array(stamps, "datetime64[ns]") - stamps[0]
        return since / np.timedelta64(1, "s"), CLOCK, False
    times = numbers(selection, "time")
    if reading.time_unit is not None:
        unit, is_assumed = reading.time_unit, False
    elif is_assumed or not unit:
        unit, is_assumed = _of_epoch(times, unit, is_assumed)
    if not unit:
        message = f"nothing says in which unit the times of the column '{name}' are"
        hint = f"{reading.assignment('time_unit', 's')}, or one of {', '.join(TIME_UNITS)}"
        raise InputError(message, where=str(selection.table.file), hint=hint)
    start = times[0] if epoch_unit(float(times[0])) or selection.kind == "requests" else 0.0
    return (times - start) * TIME_UNITS[unit], unit, is_assumed


def _of_epoch(times: Floats, unit: str, is_assumed: bool) -> tuple[str, bool]:
    """Return the unit of times since 1970, and that it is not assumed; for others, as it was."""
    since_1970 = epoch_unit(float(np.median(times)))
    return (since_1970, False) if since_1970 else (unit, is_assumed)


def _clock(selection: Selection, row: int, value: Any) -> np.datetime64:
    time = clock(value)
    if time is not None:
        return time
    name = selection.names["time"][0]
    hint = "write it as 2023-11-16 18:17:03.9799600 (UTC)"
    texts = selection.table.rows[row]
    others = [
        n for n, text in zip(selection.table.names, texts, strict=True) if clock(text) is not None
    ]
    if others:
        hint = f"the columns are swapped: the timestamp is in the column {others[0]}"
    message = f"{name} = '{str(value)[:60]}' is not a timestamp"
    raise InputError(message, where=selection.table.where(row), hint=hint)


def _check_one_each(selection: Selection, roles: Sequence[str], reading: Reading) -> None:
    for role in roles:
        names = selection.names[role]
        if len(names) > 1:
            message = f"several columns may hold the {role}: {', '.join(names)}"
            hint = reading.columns_hint((role,), selection.table.names, True)
            raise InputError(message, where=str(selection.table.file), hint=hint)


def _unknown(table: Table, kind: Kind, reading: Reading) -> InputError:
    """Return the error of a table in no known format."""
    count = len(table.names)
    what = "bandwidth" if kind == "bandwidth" else "requests"
    if table.has_header:
        near = _nearest_format(table, kind)
        message = f"its columns are those of no known format of {what}"
        if near is not None:
            form, lacking = near
            message = f"the column '{lacking}' is missing for the format {form.name}"
            message += f"; the header is '{','.join(table.names)[:200]}'"
    else:
        message = f"{count} columns without a header fit none of the known formats of {what}"
    first = (
        f"{table.file}: line {table.lines[0] - 1 if table.has_header else table.lines[0]}"
        if (table.lines)
        else str(table.file)
    )
    return InputError(
        message, where=first, hint=reading.columns_hint(ROLES[kind], table.names, table.has_header)
    )


def _nearest_format(table: Table, kind: Kind) -> tuple[Format, str] | None:
    """Return the format of which one column is missing, and that column's name."""
    have = {plain(name) for name in table.names}
    for form in FORMATS:
        if form.kind != kind or form.width is not None or table.layout not in form.layouts:
            continue
        lacking = [c for c in form.columns if not have & {plain(n) for n in c.names}]
        if len(lacking) == 1 and len(form.columns) > 1:
            return form, lacking[0].names[0]
    return None
