"""Log decisions to SQLite from a separate thread, so that a decision never waits.

Decisions go into a bounded queue; what does not fit is dropped and counted. A write that fails (a
full disk, a lock) is kept and tried again, so nothing that was taken in is lost while the service
runs. An outcome is acknowledged when it is on the disk, not before. Where decisions must be on the
disk too (``sync``), one that cannot be written is not kept, and its client gets an error.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from edgewright.serve.settings import Keep
from edgewright.serve.store import TWICE, UNKNOWN, UNWRITTEN, Entry, Report, Store

__all__ = ["TWICE", "UNKNOWN", "UNWRITTEN", "DecisionLog", "Entry", "Report"]

WRITE_EVERY_S = 0.05
TRY_AGAIN_S = 0.5
MAX_AT_ONCE = 2000
TRIM_EVERY_S = 10.0


class DecisionLog:
    """Takes decisions and outcomes in, and writes them behind the service's back.

    Attributes:
        written, failures: rows on the disk, and writes that did not succeed.
        problem: why the last write did not succeed; empty when it did.
        last_refused: which decision the database refused last, and why; empty if none.
    """

    def __init__(
        self, path: Path, most_waiting: int, *, sync: bool = False, keep: Keep | None = None
    ) -> None:
        self.path, self.most_waiting, self._sync, self._keep = path, most_waiting, sync, keep
        self.written = self.failures = 0
        self.message = self.last_refused = ""
        self._overflown = self._refused = 0  # the first is counted by the loop, the other here
        self._entries: deque[Entry] = deque()
        self._reports: deque[tuple[int, Report]] = deque()  # with the decisions taken in before
        self._taken = self._settled = 0  # decisions taken in, and of these on the disk
        self._waiters: deque[tuple[int, int, Callable[[str], None]]] = deque()
        self._unwritten: set[int] = set()  # numbers of decisions that their waiters learn about
        self._trim_at = 0.0
        self._wake, self._stop = threading.Event(), threading.Event()
        self._store = Store(path)
        self._thread = threading.Thread(target=self._work, name="decision-log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Return how many decisions wait to be written."""
        return len(self._entries)

    @property
    def dropped(self) -> int:
        """Return how many decisions found the queue full, or were refused by the database."""
        return self._overflown + self._refused

    @property
    def lost(self) -> int:
        """Return how many decisions were taken in, and were or will not be written."""
        return self.waiting + self._refused

    @property
    def taken(self) -> int:
        """Return how many decisions were taken in."""
        return self._taken

    @property
    def alive(self) -> bool:
        """Return whether there is still somebody who writes."""
        return self._thread.is_alive()

    def add(self, entry: Entry) -> bool:
        """Take a decision in, or drop it where too many wait. Returns at once."""
        if len(self._entries) >= self.most_waiting:
            self._overflown += 1
            return False
        self._entries.append(entry)
        self._taken += 1
        return True

    def wait_for(self, first: int, reply: Callable[[str], None]) -> None:
        """Let another thread call ``reply`` when all from number ``first`` on are on the disk.

        It is called once: with "", or with :data:`UNWRITTEN` where one of them will never be.
        """
        self._waiters.append((first, self._taken, reply))
        self._wake.set()

    def report(self, report: Report) -> None:
        """Take an outcome in; ``report.reply`` is called by another thread."""
        if len(self._reports) >= self.most_waiting:
            report.reply(UNWRITTEN)
            return
        self._reports.append((self._taken, report))
        self._wake.set()

    def close(self, client_timeout_s: float = 10.0) -> int:
        """Write what waits, stop, and return how many decisions could not be written."""
        self._stop.set()
        self._wake.set()
        self._thread.join(client_timeout_s)
        return self.waiting

    def _work(self) -> None:
        failed = False
        while True:
            stopping = self._stop.is_set()
            self._wake.wait(TRY_AGAIN_S if failed and not stopping else WRITE_EVERY_S)
            self._wake.clear()
            failed = not self._write()
            self._settle()
            if not failed and not stopping:
                self._trim()
            if stopping and (failed or not (self._entries or self._reports)):
                break
        self._give_up([])
        while self._waiters:
            self._waiters.popleft()[2](UNWRITTEN)
        self._store.close()

    def _write(self) -> bool:
        """Write one batch in one transaction; return whether that went well.

        An outcome goes with the batch that brings the last decision taken in before it, or later.
        """
        entries = [self._entries[index] for index in range(min(len(self._entries), MAX_AT_ONCE))]
        reports: list[Report] = []
        reached = self._settled + len(entries)
        while self._reports and self._reports[0][0] <= reached and len(reports) < MAX_AT_ONCE:
            reports.append(self._reports.popleft()[1])
        if not entries and not reports:
            return True
        try:
            answers, refused = self._store.write(entries, reports)
        except Exception as error:  # the thread must go on: what waits is tried again
            self.failures += 1
            self.message = getattr(error, "strerror", None) or str(error)
            self._give_up(reports)
            if self._sync:
                self._forget(len(entries))
            return False
        self.message = ""
        for _ in entries:
            self._entries.popleft()
        self._settled = reached
        self.written += len(entries) - len(refused) + answers.count("")
        if refused:
            self._refused += 0 if self._sync else len(refused)
            self.last_refused = [*refused.values()][-1]
            if self._sync:
                self._unwritten.update(reached - len(entries) + n for n in refused)
        for report, answer in zip(reports, answers, strict=True):
            report.reply(answer)
        return True

    def _forget(self, count: int) -> None:
        """Give the first decisions up; their clients get an error and do not act on them."""
        self._unwritten.update(range(self._settled, self._settled + count))
        for _ in range(count):
            self._entries.popleft()
        self._settled += count

    def _settle(self) -> None:
        """Reply to those whose decisions are on the disk or given up."""
        while self._waiters and self._waiters[0][1] <= self._settled:
            first, end, reply = self._waiters.popleft()
            lost = self._unwritten.intersection(range(first, end))
            self._unwritten -= lost
            reply(UNWRITTEN if lost else "")

    def _trim(self) -> None:
        """Delete what is beyond the limit of ``--log-keep``, now and then."""
        if self._keep is None or time.monotonic() < self._trim_at:
            return
        try:
            more = self._store.trim(self._keep, time.time())
        except Exception as error:  # tried again; decisions are written all the same
            self.failures += 1
            self.message = f"old decisions cannot be deleted: {error}"
            more = False
        self._trim_at = 0.0 if more else time.monotonic() + TRIM_EVERY_S

    def _give_up(self, reports: list[Report]) -> None:
        """Reply to all who wait with an outcome, these and others, that it was not written."""
        for report in reports:
            report.reply(UNWRITTEN)
        while self._reports:
            self._reports.popleft()[1].reply(UNWRITTEN)
