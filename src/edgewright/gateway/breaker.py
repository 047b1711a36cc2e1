"""Leave a back end alone for a while after it failed, and let one request try it again."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.gateway.clock import now
from edgewright.gateway.settings import BreakerTable

CLOSED, HALF_OPEN, OPEN = "closed", "half-open", "open"
STATES = (CLOSED, HALF_OPEN, OPEN)
"""The value of the metric of a state is its index."""


class Breaker:
    """Counts failures of one back end.

    A transport failure opens it at once, answers with 5xx after several in a row. Clients that go
    away and full queues never count. After the cooldown a single request is let through, the
    probe; it alone closes the breaker, or opens it for twice the time. Outcomes of requests that
    were sent before it opened say nothing. The cooldown never shrinks while it is open.
    """

    def __init__(self, table: BreakerTable, clock: Callable[[], float] = now) -> None:
        self.table, self._clock = table, clock
        self.failures, self.opened = 0, 0
        self._until: float | None = None
        self._cooldown_s, self._probing = table.cooldown_s, False

    @property
    def state(self) -> str:
        """Return the state now."""
        if self._until is None:
            return CLOSED
        return HALF_OPEN if self._clock() >= self._until else OPEN

    @property
    def allows(self) -> bool:
        """Return whether a request may be sent."""
        state = self.state
        return state == CLOSED or (state == HALF_OPEN and not self._probing)

    @property
    def wait_s(self) -> float:
        """Return the time until a request may be sent."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def use(self, table: BreakerTable) -> None:
        """Follow other settings from now on; an open breaker keeps the time it waits for."""
        if table != self.table:
            doubled = min(self._cooldown_s, table.cooldown_max_s)
            self._cooldown_s = table.cooldown_s if self._until is None else doubled
            self.table = table

    def sending(self) -> bool:
        """Take note that a request is sent; return whether it is the probe."""
        probe = self.state == HALF_OPEN and not self._probing
        self._probing = self._probing or probe
        return probe

    def succeeded(self, probe: bool) -> None:
        """Close after an answer that is not a failure; ``probe`` as :meth:`sending` said."""
        if self._until is not None and not probe:
            return
        self.failures, self._until, self._probing = 0, None, False
        self._cooldown_s = self.table.cooldown_s

    def abandoned(self, probe: bool) -> None:
        """Let another request probe, where the one that did came to no end."""
        self._probing = self._probing and not probe

    def failed(self, transport: bool, probe: bool) -> None:
        """Count a failure.

        Args:
            transport: whether the back end could not be reached or went away.
            probe: as :meth:`sending` said.
        """
        if self._until is not None and not probe:
            return  # sent before it opened
        self.failures += 1
        if self._until is not None:
            self._cooldown_s = min(2.0 * self._cooldown_s, self.table.cooldown_max_s)
        elif not transport and self.failures < self.table.failures:
            return
        self._probing = False
        self._until = self._clock() + self._cooldown_s
        self.opened += 1
