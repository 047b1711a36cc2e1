"""Estimate the bandwidth of a path from the gateway's own transfers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from edgewright.gateway.clock import now
from edgewright.gateway.settings import LinkTable, SignalsTable

WEIGHT, REMEMBERED = 0.3, 50
LEAST_BYTES = 16_384
"""Shorter transfers measure the time of a system call and not a path."""

PESSIMISTIC = 0.1
"""Quantile of the last measurements that stands in for a stale one."""

FRESH, STALE, MISSING = "fresh", "stale", "missing"


class Link:
    """A path to one or several back ends.

    Attributes:
        measured: transfers that were long enough to measure.
    """

    def __init__(
        self,
        table: LinkTable,
        signals: SignalsTable,
        clock: Callable[[], float] = now,
    ) -> None:
        self.table, self.signals, self._clock = table, signals, clock
        self._mbps, self._at, self.measured = table.initial_mbps, 0.0, 0
        self._ahead_mb, self._drained = 0.0, clock()
        self._last: deque[float] = deque(maxlen=REMEMBERED)

    def transferred(self, count: int, seconds: float) -> None:
        """Learn from a body of ``count`` bytes that took so long."""
        if count < LEAST_BYTES or seconds <= 0.0:
            return
        mbps = 8e-6 * count / seconds
        self._mbps = mbps if not self.measured else self._mbps + WEIGHT * (mbps - self._mbps)
        self._at, self.measured = self._clock(), self.measured + 1
        self._last.append(mbps)

    def sending(self, count: int) -> None:
        """Note a request of ``count`` bytes that is sent now; the next ones wait behind it."""
        self._ahead_mb, self._drained = self.uplink_backlog_mb + 1e-6 * count, self._clock()

    def unsent(self, count: int) -> None:
        """Take a request of ``count`` bytes back that could not be sent, as nobody answered."""
        self._ahead_mb = max(0.0, self.uplink_backlog_mb - 1e-6 * count)
        self._drained = self._clock()

    @property
    def uplink_backlog_mb(self) -> float:
        """Return what is left to send in MB, ``Q_trans`` of SE-PPO, from a ledger of own requests.

        No socket says what it has sent, so the ledger drains at the estimated bandwidth.
        """
        drained_mb = 0.125 * self.mbps * (self._clock() - self._drained)
        return max(0.0, self._ahead_mb - drained_mb)

    @property
    def state(self) -> str:
        """Return whether the estimate is fresh, stale, or missing."""
        if not self.measured:
            return MISSING
        old = self._clock() - self._at > self.signals.bandwidth_max_age_s
        return STALE if old else FRESH

    @property
    def mbps(self) -> float:
        """Return the bandwidth to decide with, by the policy for stale estimates."""
        if self.state == STALE and self.signals.stale == "pessimistic":
            ordered = sorted(self._last)
            return min(self._mbps, ordered[int(PESSIMISTIC * (len(ordered) - 1))])
        return self._mbps

    @property
    def usable(self) -> bool:
        """Return whether back ends behind it may be chosen.

        A masked link is used again after another ``bandwidth_max_age_s``, to be measured anew.
        """
        age_s, limit_s = self._clock() - self._at, self.signals.bandwidth_max_age_s
        masked = self.signals.stale == "mask" and self.state == STALE
        return not (masked and age_s <= 2.0 * limit_s)

    def seconds(self, count: float) -> float:
        """Return the predicted time of ``count`` bytes, request and answer together.

        It includes the wait for requests that are still being sent.
        """
        ahead = count + 1e6 * self.uplink_backlog_mb
        return 2e-3 * self.table.delay_ms + 8e-6 * ahead / self.mbps
