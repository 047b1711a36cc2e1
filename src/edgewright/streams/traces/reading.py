"""State what a recording does not say itself: units, columns, and the longest accepted gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewright.core.errors import InputError, nearest
from edgewright.streams.traces.units import RATE_UNITS, TIME_UNITS

BANDWIDTH_ROLES = ("time", "rate")
REQUEST_ROLES = ("time", "input", "output")

LIKELY = {
    "time": ("time", "stamp", "date", "sec", "ms", "arriv"),
    "rate": ("through", "bandw", "downl", "bitrate", "mbps", "kbps", "bps", "rate", "dl"),
    "input": ("input", "prompt", "context", "prefill", "request", "token"),
    "output": ("output", "generat", "complet", "respon", "decode", "answer", "token"),
}
"""Parts of names by which a column for each role is guessed in a hint, the surest first."""

MAX_NAMES, MAX_NAME = 40, 60
"""Columns that a hint lists, and characters of each."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Settings that say how a recording is read; the rest follows from the file's format.

    Attributes:
        max_gap_s: longest time [s] between two rows that is taken for a recording without a hole;
            None is 30 s for bandwidth and 600 s for requests.
        unit: unit of the rates, a key of :data:`RATE_UNITS`.
        time_unit: unit of the times, a key of :data:`TIME_UNITS`.
        columns: name of the file's column for ``time``, ``rate``, ``input`` or ``output``. The
            columns of a file without a header are named ``"1"``, ``"2"``, ...
        files: which files of a folder, e.g. ``"*.log"`` or ``"*/*.csv"``.
        prefix: what precedes a key of this reading where it is set, e.g. ``"streams.gap_s."``;
            hints begin with it.
    """

    max_gap_s: float | None = None
    unit: str | None = None
    time_unit: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    files: str = ""
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.max_gap_s is not None and not self.max_gap_s > 0:
            raise InputError(
                f"max_gap_s = {self.max_gap_s} is not positive",
                where=f"{self.prefix}max_gap_s",
                hint="give seconds > 0; infinity accepts any gap",
            )
        for role, name in self.columns.items():
            if not isinstance(name, str):
                message = f"the column of {role} is named by {name!r}, which is not a text"
                hint = f'{self.prefix}columns = {{ {role} = "{name}" }}'
                raise InputError(message, where=f"{self.prefix}columns", hint=hint)
        for key, value, valid in (
            ("unit", self.unit, RATE_UNITS),
            ("time_unit", self.time_unit, TIME_UNITS),
        ):
            if value is not None and value not in valid:
                message = f"'{value}' is not a unit that can be read"
                raise InputError(message, where=f"{self.prefix}{key}", hint=nearest(value, valid))

    def assignment(self, key: str, value: object) -> str:
        """Return a remedy that sets a key of this reading where it is set."""
        text = f'"{value}"' if isinstance(value, str) else f"{value}"
        return f"set {self.prefix}{key} = {text}"

    def columns_hint(self, roles: tuple[str, ...], names: list[str], has_header: bool) -> str:
        """Return a remedy that names a column for each role, guessed from the names in the file."""
        guesses = _guesses(roles, [n for n in names if len(n) <= MAX_NAME], has_header)
        entries = ", ".join(f'{role} = "{guesses.get(role, "...")}"' for role in roles)
        given = ", ".join(f"'{name[:MAX_NAME]}'" for name in names[:MAX_NAMES])
        return (
            f"say which columns hold what, e.g. set {self.prefix}columns = {{ {entries} }}; "
            f"the file's own columns are {given}"
        )


def _guesses(roles: tuple[str, ...], names: list[str], has_header: bool) -> dict[str, str]:
    """Return a likely column for each role, none twice; the first unused where none is likely."""
    if not has_header:
        return dict(zip(roles, names, strict=False))
    result: dict[str, str] = {}
    for role in roles:
        for part in LIKELY[role]:
            fits = [n for n in names if part in n.lower() and n not in result.values()]
            if fits and '"' not in fits[0]:
                result[role] = fits[0]
                break
    unused = [name for name in names if name not in result.values() and '"' not in name]
    for role in roles:
        if role not in result and unused:
            result[role] = unused.pop(0)
    return result
