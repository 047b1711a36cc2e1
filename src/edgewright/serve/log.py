"""The decision log: SQLite, written by a thread of its own. A decision never waits for it.

Decisions go into a bounded queue; what does not fit is dropped and counted. A write that fails (a
full disk, a lock) is kept and tried again, so nothing that was taken in is lost while the service
lives. An outcome is acknowledged when it is on the disk, not before.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edgewright.core.errors import InputError

SCHEMA = 1
WRITE_EVERY_S = 0.05
TRY_AGAIN_S = 0.5
MOST_AT_ONCE = 2000

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
    """One outcome to be logged; ``tell`` is called once with "" or with what is wrong."""

    decision: str
    at: float
    reward: float
    metrics: Mapping[str, float]
    tell: Callable[[str], None]


UNKNOWN, TWICE, UNWRITTEN = "unknown", "twice", "unwritten"
"""Why an outcome was not recorded."""


class DecisionLog:
    """Takes decisions and outcomes in, and writes them behind the service's back.

    Attributes:
        written, dropped, failures: rows on the disk, decisions that found the queue full, and
            writes that did not succeed.
        problem: why the last write did not succeed; empty when it did.
    """

    def __init__(self, path: Path, most_waiting: int) -> None:
        self.path, self.most_waiting = path, most_waiting
        self.written = self.dropped = self.failures = 0
        self.problem = ""
        self._entries: deque[Entry] = deque()
        self._reports: deque[tuple[int, Report]] = deque()  # with the decisions taken in before
        self._taken = self._settled = 0  # decisions taken in, and of these on the disk
        self._wake, self._stop = threading.Event(), threading.Event()
        self._database = _open(path)
        self._thread = threading.Thread(target=self._work, name="decision-log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Return how many decisions wait to be written."""
        return len(self._entries)

    @property
    def alive(self) -> bool:
        """Say whether there is still somebody who writes."""
        return self._thread.is_alive()

    def add(self, entry: Entry) -> bool:
        """Take a decision in, or drop it where too many wait. Returns at once."""
        if len(self._entries) >= self.most_waiting:
            self.dropped += 1
            return False
        self._entries.append(entry)
        self._taken += 1
        return True

    def report(self, report: Report) -> None:
        """Take an outcome in; ``report.tell`` is called by another thread."""
        if len(self._reports) >= self.most_waiting:
            report.tell(UNWRITTEN)
            return
        self._reports.append((self._taken, report))
        self._wake.set()

    def close(self, patience_s: float = 10.0) -> int:
        """Write what waits, stop, and return how many decisions could not be written."""
        self._stop.set()
        self._wake.set()
        self._thread.join(patience_s)
        return self.waiting

    def _work(self) -> None:
        failed = False
        while True:
            stopping = self._stop.is_set()
            self._wake.wait(TRY_AGAIN_S if failed and not stopping else WRITE_EVERY_S)
            self._wake.clear()
            failed = not self._write()
            if stopping and (failed or not (self._entries or self._reports)):
                break
        self._give_up([])
        with contextlib.suppress(sqlite3.Error):
            self._database.close()

    def _write(self) -> bool:
        """Write one batch in one transaction; return whether that went well.

        An outcome goes with the batch that brings the last decision taken in before it, or later.
        """
        entries = [self._entries[place] for place in range(min(len(self._entries), MOST_AT_ONCE))]
        reports: list[Report] = []
        reached = self._settled + len(entries)
        while self._reports and self._reports[0][0] <= reached and len(reports) < MOST_AT_ONCE:
            reports.append(self._reports.popleft()[1])
        if not entries and not reports:
            return True
        try:
            with self._database:
                self._database.executemany(
                    "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)", map(_row, entries)
                )
                answers = [self._record(report) for report in reports]
        except (sqlite3.Error, OSError) as error:
            self.failures += 1
            self.problem = getattr(error, "strerror", None) or str(error)
            self._give_up(reports)
            return False
        self.problem = ""
        for _ in entries:
            self._entries.popleft()
        self._settled = reached
        self.written += len(entries) + answers.count("")
        for report, answer in zip(reports, answers, strict=True):
            report.tell(answer)
        return True

    def _give_up(self, reports: list[Report]) -> None:
        """Tell those who wait with an outcome, these and all others, that it was not written."""
        for report in reports:
            report.tell(UNWRITTEN)
        while self._reports:
            self._reports.popleft()[1].tell(UNWRITTEN)

    def _record(self, report: Report) -> str:
        known = "SELECT 1 FROM decisions WHERE id = ?"
        if self._database.execute(known, (report.decision,)).fetchone() is None:
            return UNKNOWN
        row = (
            report.decision,
            report.at,
            report.reward,
            orjson.dumps(dict(report.metrics)).decode(),
        )
        found = self._database.execute("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?)", row)
        return "" if found.rowcount else TWICE


def _row(entry: Entry) -> tuple[Any, ...]:
    parts = (entry.observation, entry.decision, entry.clamped)
    texts = (orjson.dumps(part).decode() for part in parts)
    return (*entry[:4], *texts)


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, check_same_thread=False, timeout=1.0)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA):
            problem = f"the log has schema {version}, this version writes {SCHEMA}"
            raise InputError(problem, where=str(path), hint="name another file with --log")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(_TABLES)
        database.execute(f"PRAGMA user_version = {SCHEMA}")
        database.commit()
    except (sqlite3.Error, OSError) as error:
        hint = "name a file that can be written, on a disk that is not full"
        raise InputError(f"the log cannot be opened: {error}", where=str(path), hint=hint) from None
    return database
