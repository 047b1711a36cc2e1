"""Read a decision log without changing it, and refuse one that cannot be what happened.

The file is opened read-only: no journal is begun and nothing is written, also while a service
writes it. See ``docs/reference/decision-log.md`` for the schema.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from edgewright.core.errors import InputError
from edgewright.serve.log_file import COLUMNS, HEADER, check_header

CLOCK_STEP_S = 1.0
"""A clock may be set back by this much; more means that rows were altered or mixed."""

BY_POLICY = "policy"
"""``decided_by`` of a decision that the bundle took, not a rule that stood in."""

_ID = re.compile(r"([0-9a-f]{12})-([0-9a-f]{1,16})(?:\.(\d{1,9}))?")
_OTHER = "name a log written by edgewright serve --log or by the gateway; it was left as it is"
_ALTERED = "restore the file from where the service wrote it; it was left as it is"
_JOINED = """
SELECT d.id, d.at, d.policy, d.decided_by, d.observation, d.decision, d.clamped, d.propensity,
       d.client, o.reward, o.at, o.metrics
FROM decisions d LEFT JOIN outcomes o ON o.decision = d.id ORDER BY d.at, d.id
"""


@dataclasses.dataclass(frozen=True)
class LoggedDecision:
    """One decision of a log with its outcome.

    Attributes:
        at: time of the decision, in seconds since 1970.
        policy: version of the bundle.
        decided_by: ``"policy"``, or the rule that stood in; the gateway adds the version.
        propensity: probability of this decision when it was made; None if unknown.
        client: who asked, as the client stated; empty if it stated nothing.
        reward: what was reported; None without an outcome.
        outcome_at: time of the report [s]; None without an outcome.
        metrics: other numbers that were reported; empty without an outcome.
    """

    id: str
    at: float
    policy: str
    decided_by: str
    observation: dict[str, Any]
    decision: dict[str, Any]
    clamped: tuple[str, ...]
    propensity: float | None
    client: str
    reward: float | None
    outcome_at: float | None
    metrics: dict[str, float]

    @property
    def by_policy(self) -> bool:
        """Return whether the bundle decided, and not a rule."""
        return self.decided_by == BY_POLICY or self.decided_by.startswith("policy@")


@dataclasses.dataclass(frozen=True)
class LogFacts:
    """The contents of a log.

    Attributes:
        policies: number of decisions by version of the bundle.
        decided_by: number of decisions by who took them.
        first_at, last_at: times of the first and the last decision, in seconds since 1970.
        explored: decisions whose propensity is below 1.
        unknown: decisions without a propensity.
    """

    decisions: int
    outcomes: int
    policies: dict[str, int]
    decided_by: dict[str, int]
    first_at: float
    last_at: float
    explored: int
    unknown: int


class DecisionLogReader:
    """A checked decision log, open for reading.

    Args:
        path: the SQLite file.
        bundle: version of a bundle that must have decided in it; any if None.

    Raises:
        InputError: the file is missing, of another schema or empty, holds outcomes without
            decisions, times that go backwards or impossible numbers, or is of another bundle.
    """

    def __init__(self, path: str | Path, bundle: str | None = None) -> None:
        self.path = Path(path)
        self._database = _opened(self.path)
        try:
            with self._explained():
                self.facts = self._checked(bundle)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def rows(self) -> Iterator[LoggedDecision]:
        """Yield every decision with its outcome, the oldest first.

        Raises:
            InputError: a row is damaged.
        """
        with self._explained():
            for row in self._database.execute(_JOINED):
                yield self._row(row)

    def _row(self, row: tuple[Any, ...]) -> LoggedDecision:
        try:
            observation, decision, clamped = (json.loads(text) for text in row[4:7])
            metrics = json.loads(row[11]) if row[11] is not None else {}
            if not isinstance(observation, dict) or not isinstance(decision, dict):
                raise ValueError("it is not an object")
            names = tuple(map(str, clamped))
        except (TypeError, ValueError, RecursionError) as error:
            message = f"decision {row[0]} cannot be read: {error}"
            raise self._refused(message, _ALTERED) from None
        id, at, policy, decided_by = row[:4]
        propensity, client, reward, outcome_at = row[7:11]
        return LoggedDecision(
            id, at, policy, decided_by, observation, decision, names, propensity, client,
            reward, outcome_at, metrics,
        )  # fmt: skip

    def _checked(self, bundle: str | None) -> LogFacts:
        for table, columns in COLUMNS.items():
            asked = self._database.execute("SELECT name FROM pragma_table_info(?)", (table,))
            there = [name for (name,) in asked]
            if there != columns:
                message = f"its table '{table}' must have the columns {', '.join(columns)}"
                raise self._refused(f"{message}; got {', '.join(there) or 'none'}", _OTHER)
        decisions = self._one("SELECT count(*) FROM decisions")
        lone = "FROM outcomes WHERE decision NOT IN (SELECT id FROM decisions)"
        if count := self._one(f"SELECT count(*) {lone}"):
            first = self._one(f"SELECT min(decision) {lone}")
            message = f"every outcome must have its decision; got {count} without, first {first}"
            raise self._refused(message, _ALTERED)
        if not decisions:
            hint = "let a service decide with --log FILE first"
            raise self._refused("the log must hold decisions; got none", hint)
        self._check_numbers()
        self._check_times()
        facts = self._facts(decisions)
        if bundle is not None and bundle not in facts.policies:
            listed = ", ".join(sorted(facts.policies)[:5])
            message = f"the log must hold decisions of the bundle {bundle}; got those of {listed}"
            raise self._refused(message, "name the bundle that decided, or the log of this one")
        return facts

    def _check_numbers(self) -> None:
        """Refuse rewards and times that cannot be, and propensities outside (0, 1]."""
        for table, key, column, rule, wrong in (
            ("outcomes", "decision", "reward", "a finite number", "abs(reward) > 1.7e308"),
            ("outcomes", "decision", "at", "a time", "abs(at) > 1e12"),
            ("decisions", "id", "at", "a time", "abs(at) > 1e12"),
            (
                "decisions", "id", "propensity", "above 0 and at most 1",
                "propensity <= 0 OR propensity > 1",
            ),
        ):  # fmt: skip
            known = "" if column != "propensity" else f"{column} IS NOT NULL AND "
            kinds = f"typeof({column}) NOT IN ('real', 'integer')"
            text = f"SELECT {key}, {column} FROM {table} WHERE {known}({kinds} OR {wrong}) LIMIT 1"
            if row := self._database.execute(text).fetchone():
                message = f"{table}.{column} must be {rule}; got {str(row[1])[:40]} in row {row[0]}"
                raise self._refused(message, _ALTERED)

    def _check_times(self) -> None:
        """Refuse an outcome before its decision, and decisions of a run that go back in time."""
        text = (
            "SELECT o.decision, d.at - o.at FROM outcomes o JOIN decisions d ON d.id = o.decision"
            f" WHERE o.at < d.at - {CLOCK_STEP_S} LIMIT 1"
        )
        if row := self._database.execute(text).fetchone():
            message = f"times must not go backwards; the outcome of {row[0]} is {row[1]:.1f} s"
            raise self._refused(f"{message} before its decision", _ALTERED)
        newest: dict[str, tuple[int, int, float]] = {}
        numbered = (
            (match, at)
            for id, at in self._database.execute(
                "SELECT id, at FROM decisions ORDER BY length(id), id"
            )
            if (match := _ID.fullmatch(str(id)))
        )
        for match, at in numbered:
            run, number, again = match[1], int(match[2], 16), int(match[3] or 0)
            before = newest.get(run)
            if (
                before is not None
                and (number, again) > before[:2]
                and at < before[2] - CLOCK_STEP_S
            ):
                message = f"times must not go backwards; decision {match[0]} is"
                message += f" {before[2] - at:.1f} s before the one that was made before it"
                raise self._refused(message, _ALTERED)
            if before is None or at > before[2]:
                newest[run] = (number, again, at)

    def _facts(self, decisions: int) -> LogFacts:
        def counts(column: str) -> dict[str, int]:
            text = f"SELECT {column}, count(*) FROM decisions GROUP BY {column}"
            return {str(name): count for name, count in self._database.execute(text)}

        return LogFacts(
            decisions=decisions,
            outcomes=self._one("SELECT count(*) FROM outcomes"),
            policies=counts("policy"),
            decided_by=counts("decided_by"),
            first_at=self._one("SELECT min(at) FROM decisions"),
            last_at=self._one("SELECT max(at) FROM decisions"),
            explored=self._one("SELECT count(*) FROM decisions WHERE propensity < 1"),
            unknown=self._one("SELECT count(*) FROM decisions WHERE propensity IS NULL"),
        )

    def _one(self, text: str) -> Any:
        return self._database.execute(text).fetchone()[0]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of the database into one of the file."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._refused(f"the log cannot be read: {error}", _ALTERED) from None

    def _refused(self, message: str, hint: str) -> InputError:
        return InputError(message, where=str(self.path), hint=hint)


def _opened(path: Path) -> sqlite3.Connection:
    """Return the database in a file, for reading alone.

    A log that no service writes has no journal beside it. It is opened as a file that nobody
    changes, because SQLite would otherwise begin one.

    Raises:
        InputError: the file is missing, cannot be read, or is not a log of this schema.
    """
    where = str(path)
    try:
        with open(path, "rb") as file:
            header = file.read(HEADER)
        journal = Path(f"{path}-wal")
        still = not journal.exists() or not journal.stat().st_size
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the log cannot be read: {reason}", where=where, hint=_OTHER) from None
    if not header:
        hint = "let a service decide with --log FILE first"
        raise InputError("the log must hold decisions; got an empty file", where=where, hint=hint)
    check_header(path, header, _OTHER)
    ending = "?mode=ro&immutable=1" if still else "?mode=ro"
    try:
        return sqlite3.connect(f"file:{quote(str(path.absolute()))}{ending}", uri=True)
    except sqlite3.Error as error:
        message = f"the log cannot be read: {error}"
        raise InputError(message, where=where, hint=_ALTERED) from None


__all__ = ["BY_POLICY", "CLOCK_STEP_S", "DecisionLogReader", "LogFacts", "LoggedDecision"]
