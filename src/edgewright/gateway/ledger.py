"""Keep the accepted work that is not finished, in seconds and not as a count."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from edgewright.gateway.clock import now

WEIGHT = 0.2
"""Share of the newest ratio of actual to expected time in the running one."""


@dataclasses.dataclass(eq=False)
class Item:
    """One accepted request.

    Attributes:
        expected_s: predicted time of service.
        started: when its service began; None while it waits.
        done: share of its service that is known to be done, from 0 to 1.
        done_at: when that was known.
    """

    expected_s: float
    started: float | None = None
    done: float = 0.0
    done_at: float = 0.0


class Ledger:
    """Holds the unfinished items of one back end in their order.

    Attributes:
        ratio: running ratio of actual to expected time of service, by which predictions are
            corrected.
        finished, released: items that left, with all of their work done or not.
    """

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self._clock = clock
        self._items: dict[int, Item] = {}
        self.ratio, self.finished, self.released = 1.0, 0, 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def work_s(self) -> float:
        """Return the seconds until all of it is done, if nothing is added."""
        return self.ratio * sum(self._left(item) for item in self._items.values())

    def drain_s(self) -> float:
        """Return the seconds until the item that is served now leaves."""
        lefts = [self._left(item) for item in self._items.values() if item.started is not None]
        return self.ratio * (lefts[0] if lefts else 0.0)

    def _left(self, item: Item) -> float:
        if item.started is None:
            return item.expected_s
        now = self._clock()
        by_time = item.expected_s - (now - item.started) / self.ratio
        if not item.done:
            return max(0.0, by_time)
        by_steps = item.expected_s * (1.0 - item.done) - (now - item.done_at) / self.ratio
        # One that is behind its pace catches up, until its time is over.
        return max(0.0, min(by_time, by_steps) if by_time > 0.0 else by_steps)

    def add(self, expected_s: float) -> Item:
        """Take an item in; return it."""
        item = Item(expected_s)
        self._items[id(item)] = item
        self._begin_next()
        return item

    def start(self, item: Item) -> None:
        """Take note that the service of an item begins."""
        item.started = self._clock()

    def advance(self, item: Item, done: float) -> None:
        """Take note of the share of an item's service that is done."""
        item.done, item.done_at = done, self._clock()

    def finish(self, item: Item, service_s: float | None = None) -> None:
        """Remove an item whose service took so long, and learn from it."""
        del self._items[id(item)]
        self.finished += 1
        self._begin_next()
        if service_s is not None and item.expected_s > 0.0:
            self.ratio += WEIGHT * (service_s / item.expected_s - self.ratio)

    def release(self, item: Item) -> None:
        """Remove an item that will not be finished; its work is credited."""
        if self._items.pop(id(item), None) is not None:
            self.released += 1
            self._begin_next()

    def _begin_next(self) -> None:
        """Take the oldest item for the one that is served, until a back end says otherwise."""
        if self._items and all(one.started is None for one in self._items.values()):
            self.start(next(iter(self._items.values())))
