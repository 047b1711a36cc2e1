"""Store the decision log in SQLite, and reopen it where another file took its name."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edgewright.serve.log_file import Claim, open_log
from edgewright.serve.settings import Keep

TRIMMED_AT_ONCE = 5000
"""Decisions deleted in one transaction, so that outcomes do not wait long for their own."""

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

_INSERT = "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Entry(NamedTuple):
    """One decision to be logged.

    Attributes:
        propensity: probability of the decision when it was made, in (0, 1]; None if unknown.
        client: who asked, as the client states; empty if it states nothing.
    """

    id: str
    at: float
    policy: str
    decided_by: str
    observation: Mapping[str, Any]
    decision: Mapping[str, Any]
    clamped: tuple[str, ...]
    propensity: float | None = None
    client: str = ""


class Report(NamedTuple):
    """One outcome to be logged; ``reply`` is called once with "" or with what is wrong.

    Attributes:
        note: is called before with the policy that decided, where the decision is known.
    """

    decision: str
    at: float
    reward: float
    metrics: Mapping[str, float]
    reply: Callable[[str], None]
    note: Callable[[str], None] = lambda policy: None


class Moved(OSError):
    """The error of a write to a file that does not have the name any more."""


class Store:
    """Writes batches, each in one transaction.

    Raises:
        InputError: the file is not a log, cannot be opened, or is written by another service.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._claim = Claim(path)
        try:
            self._database, self._file = open_log(path), _identity(path)
        except BaseException:
            self._claim.release()
            raise

    def write(
        self, entries: Sequence[Entry], reports: Sequence[Report]
    ) -> tuple[list[str], dict[int, str]]:
        """Return the reply to each report, and why entries were left out, by their position.

        Raises:
            sqlite3.Error, OSError, InputError: nothing was written, or not where it can be found.
        """
        database = self._at_hand()
        try:
            with database:
                database.executemany(_INSERT, map(_row, entries))
                answers = [_record(database, report) for report in reports]
                refused: dict[int, str] = {}
        except NOT_THE_DISK:
            with database:
                refused = {
                    n: why for n, entry in enumerate(entries) if (why := _insert(database, entry))
                }
                answers = [_record(database, report) for report in reports]
        if _identity(self.path) != self._file:
            raise Moved(f"another file, or none, is {self.path} now")
        return answers, refused

    def trim(self, keep: Keep, now: float) -> bool:
        """Delete the oldest decisions beyond what is kept; return whether more are left to delete.

        Raises:
            sqlite3.Error, OSError, InputError: nothing was deleted.
        """
        database = self._at_hand()
        if keep.days is None:
            text = "SELECT id FROM decisions ORDER BY at DESC, id DESC LIMIT ? OFFSET ?"
            asked = database.execute(text, (TRIMMED_AT_ONCE, keep.decisions))
        else:
            text = "SELECT id FROM decisions WHERE at < ? LIMIT ?"
            asked = database.execute(text, (now - keep.days * 86_400, TRIMMED_AT_ONCE))
        old = asked.fetchall()
        with database:
            database.executemany("DELETE FROM outcomes WHERE decision = ?", old)
            database.executemany("DELETE FROM decisions WHERE id = ?", old)
        return len(old) == TRIMMED_AT_ONCE

    def close(self) -> None:
        """Close the file, wherever it is now, and let another service have it."""
        self._leave()
        self._claim.release()

    def _leave(self) -> None:
        """Close the file and leave no journal that the next one of its name would take."""
        self._file = None
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.suppress(sqlite3.Error):
            self._database.close()

    def _at_hand(self) -> sqlite3.Connection:
        """Return the database in the file that has the name now."""
        if self._file is None or _identity(self.path) != self._file:
            self._leave()
            self._database = open_log(self.path)
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
    return (*entry[:4], *texts, entry.propensity, entry.client)


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
    asked = database.execute("SELECT policy FROM decisions WHERE id = ?", (report.decision,))
    if (known := asked.fetchone()) is None:
        return UNKNOWN
    report.note(known[0])
    row = (report.decision, report.at, report.reward, orjson.dumps(dict(report.metrics)).decode())
    result = database.execute("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?)", row)
    return "" if result.rowcount else TWICE
