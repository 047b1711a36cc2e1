"""Read a recording of any kind, which is recognised by the file itself. No JAX here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from edgewright.core.errors import InputError, nearest
from edgewright.streams.gains import GainReading, Gains, load_gains
from edgewright.streams.positions import NAMES, Positions, read_positions
from edgewright.streams.summary import (
    Summary,
    of_bandwidth,
    of_gains,
    of_positions,
    of_requests,
)
from edgewright.streams.traces import (
    FORMATS,
    BandwidthTrace,
    PathLike,
    Reading,
    RequestLog,
    check_is_file,
    load_bandwidth,
    load_requests,
    read_raw,
)
from edgewright.streams.traces.reading import BANDWIDTH_ROLES, REQUEST_ROLES
from edgewright.streams.traces.tables import Table, read_table
from edgewright.streams.traces.units import plain

Content: TypeAlias = list[BandwidthTrace] | RequestLog | Gains | Positions

KINDS = {
    "max_gap_s": (int, float),
    "unit": (str,),
    "time_unit": (str,),
    "columns": (dict,),
    "variable": (str,),
    "transpose": (bool,),
    "low_gain": (int, float),
}
"""Settings of a recording, with the types of their values."""


def read_recording(
    path: PathLike, settings: Mapping[str, Any] | None = None
) -> tuple[Summary, Content]:
    """Return what a file of bandwidth, requests, gains or positions holds, and its content.

    Args:
        path: the file.
        settings: keys of :class:`Reading` or :class:`GainReading`, as in a scenario.

    Raises:
        InputError: the file is not a recording, or a setting is not one of the file's kind.
    """
    file, given = Path(path), dict(settings or {})
    for key, value in given.items():
        if key not in KINDS:
            raise InputError(f"'{key}' is unknown", where="--set", hint=nearest(key, KINDS))
        if not isinstance(value, KINDS[key]) or (isinstance(value, bool) and key != "transpose"):
            types = " or ".join(kind.__name__ for kind in KINDS[key])
            message = f"{key} = {value!r} must be of type {types}"
            raise InputError(message, where="--set", hint=f"give {key} such a value")
    check_is_file(file)
    if _is_matlab(file):
        gains = load_gains(file, _fitting(GainReading, given, "gains"))
        return of_gains(gains), gains
    table = read_table(file, "rows")
    kind = _kind(table, given)
    if kind == "positions":
        if given:
            message = f"'{min(given)}' does not apply to positions"
            raise InputError(message, where="--set", hint="remove it")
        positions = read_positions(file)
        return of_positions(positions), positions
    reading = _fitting(Reading, given, kind)
    if kind == "requests":
        log = load_requests(file, reading)
        return of_requests(log), log
    traces = load_bandwidth(file, reading)
    return of_bandwidth(traces), traces


def _is_matlab(file: Path) -> bool:
    return read_raw(file, 8).startswith((b"MATLAB", b"\x89HDF")) or file.suffix.lower() == ".mat"


def _kind(table: Table, given: Mapping[str, Any]) -> str:
    """Return what a table records: ``bandwidth``, ``requests`` or ``positions``."""
    roles = set(given.get("columns", ()))
    if roles & set(REQUEST_ROLES) - set(BANDWIDTH_ROLES):
        return "requests"
    if roles:
        return "bandwidth"
    form = next((form for form in FORMATS if form.match(table)), None)
    if form is not None:
        return form.kind
    names = {plain(name) for name in table.names}
    if all(names & set(own) for own in NAMES.values()):
        return "positions"
    has_tokens = any(part in name for name in names for part in ("token", "prompt", "input"))
    return "requests" if has_tokens else "bandwidth"


def _fitting(cls: Any, given: Mapping[str, Any], kind: str) -> Any:
    """Return the settings as a record of ``cls``; refuse those that it lacks."""
    valid = {field.name for field in dataclasses.fields(cls)} & set(KINDS)
    if kind == "requests":
        valid -= {"unit"}
    for key in given:
        if key not in valid:
            message = f"'{key}' does not apply to {kind}"
            raise InputError(message, where="--set", hint=nearest(key, valid))
    return cls(**given)
