"""Admit clients by their keys, within limits of requests a minute and at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from edgewright.gateway.clock import now
from edgewright.gateway.errors import NOT_ACCEPTED, APIError
from edgewright.gateway.settings import KeyTable

MINUTE_S = 60.0


class Client:
    """A client with its limits.

    Attributes:
        id: what its receipts are kept under; empty where no keys are asked for.
        in_flight: requests that are not answered yet.
    """

    def __init__(self, table: KeyTable | None, clock: Callable[[], float]) -> None:
        self.table, self._clock = table, clock
        self.id = table.sha256[:16] if table else ""
        self.name = table.name if table else "anyone"
        self.in_flight = 0
        self._tokens, self._at = float(table.rpm or 0) if table else 0.0, clock()

    def admit(self) -> dict[str, str]:
        """Count a request; return the headers that say what is left.

        Raises:
            APIError: a limit is reached.
        """
        if self.table is None or (self.table.rpm is None and self.table.in_flight is None):
            self.in_flight += 1
            return {}
        most = self.table.in_flight
        if most is not None and self.in_flight >= most:
            message = f"more than {most} requests at once with this key"
            headers = {**self._headers(), **NOT_ACCEPTED, "retry-after-ms": "1000"}
            raise APIError(429, message, code="in_flight_limit", headers=headers)
        if self.table.rpm is not None:
            self._refill(self.table.rpm)
            if self._tokens < 1.0:
                wait_s = (1.0 - self._tokens) * MINUTE_S / self.table.rpm
                wait = {"retry-after-ms": str(round(1e3 * wait_s) + 1)}
                headers = {**self._headers(), **NOT_ACCEPTED, **wait}
                message = f"more than {self.table.rpm} requests a minute with this key"
                raise APIError(429, message, code="rate_limit_exceeded", headers=headers)
            self._tokens -= 1.0
        self.in_flight += 1
        return self._headers()

    def _refill(self, rpm: int) -> None:
        now = self._clock()
        self._tokens = min(float(rpm), self._tokens + (now - self._at) * rpm / MINUTE_S)
        self._at = now

    def _headers(self) -> dict[str, str]:
        rpm = self.table.rpm if self.table else None
        if rpm is None:
            return {}
        reset_s = (rpm - self._tokens) * MINUTE_S / rpm
        return {
            "x-ratelimit-limit-requests": str(rpm),
            "x-ratelimit-remaining-requests": str(int(self._tokens)),
            "x-ratelimit-reset-requests": f"{reset_s:.3f}s",
        }


class Keys:
    """All clients that may ask."""

    def __init__(self, tables: tuple[KeyTable, ...], clock: Callable[[], float] = now) -> None:
        self._anyone = Client(None, clock)
        self._clients = {table.sha256: Client(table, clock) for table in tables}

    def client(self, headers: Mapping[str, str]) -> Client:
        """Return the client that a request is from.

        Raises:
            APIError: the key is missing or unknown.
        """
        if not self._clients:
            return self._anyone
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            # A hash is looked up, so the time says nothing about the key.
            client = self._clients.get(hashlib.sha256(key.strip().encode()).hexdigest())
            if client is not None:
                return client
        message = "a valid key is needed: Authorization: Bearer KEY"
        www = {"www-authenticate": "Bearer"}
        raise APIError(401, message, code="invalid_api_key", headers=www)

    def keep(self, before: Keys) -> None:
        """Take over the counts of clients that were there before a reload."""
        self._anyone = before._anyone
        for sha256, client in before._clients.items():
            if sha256 in self._clients:
                client.table = self._clients[sha256].table
                self._clients[sha256] = client
