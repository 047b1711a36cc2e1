"""A client of the decision service in the standard library alone.

with Client("http://127.0.0.1:8080") as client:
    decision = client.decide({"input_mb": 17.5, ...})
    client.outcome(decision["id"], reward=0.4)
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Self


class ServiceError(Exception):
    """The service refused: ``status`` and what it said of the problem, field and remedy."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        self.status, self.error = status, error
        super().__init__(f"{status}: " + ", ".join(f"{k}: {v}" for k, v in error.items()))


class Client:
    """Keeps one connection; a request on a connection that the service closed is sent again."""

    def __init__(self, url: str, token: str | None = None, timeout_s: float = 5.0) -> None:
        parts = urllib.parse.urlsplit(url)
        make = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = make(parts.hostname or "", parts.port, timeout=timeout_s)
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def decide(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        """Return the decision for one observation."""
        return self._ask("POST", "/v1/decide", {"observation": observation})["decision"]

    def decide_many(self, observations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the decisions for many observations, all by the same policy."""
        return self._ask("POST", "/v1/decide", {"observations": observations})["decisions"]

    def outcome(self, decision: str, reward: float, **metrics: float) -> None:
        """Report what came of a decision; returns when it is on the service's disk."""
        self._ask(
            "POST", "/v1/outcome", {"decision": decision, "reward": reward, "metrics": metrics}
        )

    def policy(self) -> dict[str, Any]:
        """Return the manifest of the policy that decides."""
        return self._ask("GET", "/v1/policy")

    def _ask(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        body = None if content is None else json.dumps(content)
        fresh = self._connection.sock is None
        try:
            self._connection.request(method, path, body, self._headers)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self._connection.close()
            if fresh:
                raise
            return self._ask(method, path, content)
        found = json.loads(response.read())
        if response.status != http.client.OK:
            raise ServiceError(response.status, found.get("error", {}))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
