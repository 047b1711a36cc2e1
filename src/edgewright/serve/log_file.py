"""Open the file of a decision log, for its owner alone and for one service at a time.

The schema is documented in ``docs/reference/decision-log.md``. A file is judged by its first 100
bytes before SQLite opens it. So a database of somebody else is neither written nor given a journal.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from pathlib import Path

from edgewright.core.errors import InputError
from edgewright.core.version import __version__

APPLICATION, SCHEMA = int.from_bytes(b"EdgW"), 3
"""Numbers in the header of every log, by which it is known; the table ``about`` repeats them."""

TABLES = """
CREATE TABLE IF NOT EXISTS about (
  key TEXT PRIMARY KEY,         -- "schema", or "version" of the package that began the file
  value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decisions (
  id TEXT PRIMARY KEY,          -- as answered
  at REAL NOT NULL,             -- seconds since 1970
  policy TEXT NOT NULL,         -- version of the bundle
  decided_by TEXT NOT NULL,     -- "policy", or the rule that stood in
  observation TEXT NOT NULL,    -- JSON, as it was sent
  decision TEXT NOT NULL,       -- JSON, the outputs
  clamped TEXT NOT NULL,        -- JSON, names of fields that were out of range
  propensity REAL,              -- probability of this decision when it was made; NULL if unknown
  client TEXT NOT NULL          -- who asked, as the client states; empty if it states nothing
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
  decision TEXT PRIMARY KEY REFERENCES decisions (id),
  at REAL NOT NULL,
  reward REAL NOT NULL,
  metrics TEXT NOT NULL         -- JSON
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS decisions_at ON decisions (at);
"""

COLUMNS = {
    "about": ["key", "value"],
    "decisions": [
        "id", "at", "policy", "decided_by", "observation", "decision", "clamped", "propensity",
        "client",
    ],
    "outcomes": ["decision", "at", "reward", "metrics"],
}  # fmt: skip
"""Columns of every table, in their order."""

_ABOUT = "INSERT OR IGNORE INTO about VALUES (?, ?)"
_MAGIC, HEADER = b"SQLite format 3\0", 100
_OWNER = 0o600
_OTHER = "name another file with --log; this one was left as it is"


class Claim:
    """The right of one process to write a log, held by a lock on ``FILE.lock`` beside it.

    The lock ends with the process, however that ends; the empty file stays.

    Raises:
        InputError: the file is not a log, another process has it, or it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            _check_file(path)
            file = f"{os.path.realpath(path)}.lock"
            self._lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, _OWNER)
        except (OSError, ValueError) as error:
            raise _unopened(path, error) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            hint = "stop that one, or name another file with --log: one log for each service"
            raise InputError(
                "another service writes this log", where=str(path), hint=hint
            ) from None

    def release(self) -> None:
        """Let others have the log; a second call does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1


def open_log(path: Path) -> sqlite3.Connection:
    """Return the database in a file, which is made where there is none.

    Raises:
        InputError: the file is not a log of this version, or cannot be opened.
    """
    try:
        _check_file(path)
        for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            if file.exists():
                file.chmod(_OWNER)
        database = sqlite3.connect(path, check_same_thread=False, timeout=1.0)
        _check_tables(path, database)
        # In one transaction, and before the write-ahead log: the header is there from the start on.
        database.executescript(
            f"BEGIN IMMEDIATE;{TABLES}PRAGMA application_id = {APPLICATION};"
            f"PRAGMA user_version = {SCHEMA};COMMIT;"
        )
        with database:
            database.executemany(_ABOUT, [("schema", str(SCHEMA)), ("version", __version__)])
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    except (sqlite3.Error, OSError, ValueError) as error:
        raise _unopened(path, error) from None
    return database


def _check_file(path: Path) -> None:
    """Refuse a file that is neither empty nor a log of this schema; make one where there is none.

    It is closed before SQLite opens it: to close it later would end the locks of SQLite.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, _OWNER)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise InputError("the log must be a regular file", where=str(path), hint=_OTHER)
        header = os.read(file, HEADER)
    finally:
        os.close(file)
    if header:
        check_header(path, header, _OTHER)


def check_header(path: Path, header: bytes, hint: str) -> None:
    """Check the first :data:`HEADER` bytes of a file: those of a log of this schema.

    Raises:
        InputError: they are of another file, or of another schema.
    """
    where = str(path)
    if len(header) < HEADER or not header.startswith(_MAGIC):
        raise InputError("the file is not a decision log", where=where, hint=hint)
    version, application = (int.from_bytes(header[n : n + 4]) for n in (60, 68))
    if application != APPLICATION:
        message = "the file is an SQLite database, but not a decision log of this version"
        raise InputError(message, where=where, hint=hint)
    if version != SCHEMA:
        message = f"the log has schema {version}, this version has {SCHEMA}"
        raise InputError(message, where=where, hint=hint)


def _check_tables(path: Path, database: sqlite3.Connection) -> None:
    for table, columns in COLUMNS.items():
        asked = database.execute("SELECT name FROM pragma_table_info(?)", (table,))
        if (there := [name for (name,) in asked]) and there != columns:
            database.close()
            message = f"its table '{table}' has the columns {', '.join(there)}"
            raise InputError(message, where=str(path), hint=_OTHER)


def _unopened(path: Path, error: Exception) -> InputError:
    hint = "name a file that you own, on a disk that is not full"
    return InputError(f"the log cannot be opened: {error}", where=str(path), hint=hint)
