"""Store the decision log in SQLite, and reopen it where another file took its name."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edgewright.core.errors import InputError

SCHEMA = 1

UNKNOWN, TWICE, UNWRITTEN = "unknown", "twice", "unwritten"
"""Why an outcome was not recorded."""

NOT_THE_DISK = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    TypeError,
    ValueError,
    OverflowError,
)
"""Errors that a row causes, so that another try would fail as well."""

_TABLES = """
CREATE TABLE IF NOT EXISTS decisions (
  id TEXT PRIMARY KEY,          -- as answered
  at REAL NOT NULL,             -- seconds since 1970
  policy TEXT NOT NULL,         -- version of the bundle
  decided_by TEXT NOT NULL,     -- "policy", or the rule that stood in
  observation TEXT NOT NULL,    -- JSON, as it was sent
  decision TEXT NOT NULL,       -- JSON, the outputs
  clamped TEXT NOT NULL         -- JSON, names of fields that were out of range
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
  decision TEXT PRIMARY KEY REFERENCES decisions (id),
  at REAL NOT NULL,
  reward REAL NOT NULL,
  metrics TEXT NOT NULL         -- JSON
) WITHOUT ROWID;
"""
_INSERT = "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)"


class Entry(NamedTuple):
    """One decision to be logged."""

    id: str
    at: float
    policy: str
    decided_by: str
    observation: Mapping[str, Any]
    decision: Mapping[str, Any]
    clamped: tuple[str, ...]


class Report(NamedTuple):
    """One outcome to be logged; ``reply`` is called once with "" or with what is wrong."""

    decision: str
    at: float
    reward: float
    metrics: Mapping[str, float]
    reply: Callable[[str], None]


class Moved(OSError):
    """The error of a write to a file that does not have the name any more."""


class Store:
    """Writes batches, each in one transaction.

    Raises:
        InputError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database, self._file = _open(path), _identity(path)

    def write(
        self, entries: Sequence[Entry], reports: Sequence[Report]
    ) -> tuple[list[str], list[str]]:
        """Return the reply to each report, and why each entry that was left out was.

        Raises:
            sqlite3.Error, OSError, InputError: nothing was written, or not where it can be found.
        """
        database = self._at_hand()
        try:
            with database:
                database.executemany(_INSERT, map(_row, entries))
                answers = [_record(database, report) for report in reports]
                refused: list[str] = []
        except NOT_THE_DISK:
            with database:
                refused = [why for entry in entries if (why := _insert(database, entry))]
                answers = [_record(database, report) for report in reports]
        if _identity(self.path) != self._file:
            raise Moved(f"another file, or none, is {self.path} now")
        return answers, refused

    def close(self) -> None:
        """Close the file, wherever it is now, and leave no journal that the next one would take."""
        self._file = None
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.suppress(sqlite3.Error):
            self._database.close()

    def _at_hand(self) -> sqlite3.Connection:
        """Return the database in the file that has the name now."""
        if self._file is None or _identity(self.path) != self._file:
            self.close()
            self._database = _open(self.path)
            self._file = _identity(self.path)
        return self._database


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _row(entry: Entry) -> tuple[Any, ...]:
    parts = (entry.observation, entry.decision, entry.clamped)
    texts = (orjson.dumps(part).decode() for part in parts)
    return (*entry[:4], *texts)


def _insert(database: sqlite3.Connection, entry: Entry) -> str:
    """Insert one decision; return why it cannot be, or nothing."""
    try:
        database.execute(_INSERT, _row(entry))
    except NOT_THE_DISK as error:
        same = "SELECT 1 FROM decisions WHERE id = ? AND at = ?"
        if database.execute(same, (entry.id, entry.at)).fetchone():
            return ""  # written by a try that seemed to fail
        return f"{entry.id}: {error}"
    return ""


def _record(database: sqlite3.Connection, report: Report) -> str:
    known = "SELECT 1 FROM decisions WHERE id = ?"
    if database.execute(known, (report.decision,)).fetchone() is None:
        return UNKNOWN
    row = (report.decision, report.at, report.reward, orjson.dumps(dict(report.metrics)).decode())
    result = database.execute("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?)", row)
    return "" if result.rowcount else TWICE


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, check_same_thread=False, timeout=1.0)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA):
            message = f"the log has schema {version}, this version writes {SCHEMA}"
            raise InputError(message, where=str(path), hint="name another file with --log")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(_TABLES)
        database.execute(f"PRAGMA user_version = {SCHEMA}")
        database.commit()
    except (sqlite3.Error, OSError) as error:
        hint = "name a file that can be written, on a disk that is not full"
        raise InputError(f"the log cannot be opened: {error}", where=str(path), hint=hint) from None
    return database
