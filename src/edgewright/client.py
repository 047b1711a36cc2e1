"""A client of the decision service in the standard library alone.

with Client("http://127.0.0.1:8080") as client:
    decision = client.decide({"input_mb": 17.5, ...})
    client.outcome(decision["id"], reward=0.4)
"""

from __future__ import annotations

import http.client
import json
import selectors
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Self

from edgewright.core.errors import InputError


class ServiceError(Exception):
    """An error answer of the service, with its ``status``, problem, field and remedy.

    Where several fields are bad, ``error["fields"]`` has an entry for each.
    """

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        self.status, self.error = status, error
        fields = error.get("fields")
        if isinstance(fields, list) and all(isinstance(one, dict) for one in fields):
            entries: list[Mapping[str, Any]] = [*fields]  # the first of them is the error itself
        else:
            entries = [error]
        lines = "; ".join(", ".join(f"{k}: {v}" for k, v in one.items()) for one in entries)
        super().__init__(f"{status}: {lines}")


BROKEN = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""A connection ended under a request, which may have been executed or not."""

IDLE_S = 0.5
"""A connection that rested longer is made anew: the service never hangs up sooner."""


def _address(url: str) -> urllib.parse.SplitResult:
    """Return the parts of an address; ``http`` where it names no scheme.

    Raises:
        InputError: it is not the address of a service.
    """
    hint = "e.g. http://127.0.0.1:8080 or https://host/prefix; a secret goes in token="
    shown = url.rpartition("@")[2]  # never a password
    try:
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and parts.username is None and not parts.query and not parts.fragment
    except ValueError:  # a port or an address that is none
        usable, parts = False, urllib.parse.urlsplit("")
    if not usable:
        raise InputError(f"url must be the address of a service; got '{shown}'", hint=hint)
    return parts


def _plain(value: Any) -> Any:
    """Return a number or an array of NumPy as plain Python."""
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(f"{type(value).__name__} is not JSON")


class Client:
    """Keeps one connection while it is used, and makes another where that one has ended.

    A request whose answer does not come raises ``OSError`` or ``http.client.HTTPException``; the
    next one has a fresh connection. A decision is asked for once, because each is logged. An
    outcome is sent a second time where the connection broke, because it is recorded once anyway.

    Args:
        url: of the service, with the prefix of a proxy in front of it if there is one.
        token: of the service, if it asks for one.
        timeout_s: how long to wait for an answer, in seconds.
        name: by which the log of the service knows this client; nothing if empty.

    Raises:
        InputError: the URL is not the address of a service.
    """

    def __init__(
        self, url: str, token: str | None = None, timeout_s: float = 5.0, name: str = ""
    ) -> None:
        parts = _address(url)
        make = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._connection = make(parts.hostname or "", port, timeout=timeout_s)
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._used = 0.0
        self._name = {"client": name} if name else {}

    def decide(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        """Return the decision for one observation."""
        return self._ask("POST", "/v1/decide", {"observation": dict(observation), **self._name})[
            "decision"
        ]

    def decide_many(self, observations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the decisions for many observations, all by the same policy."""
        content = {"observations": [dict(one) for one in observations], **self._name}
        return self._ask("POST", "/v1/decide", content)["decisions"]

    def outcome(self, decision: str, reward: float, **metrics: float) -> None:
        """Report what came of a decision; returns when it is on the service's disk."""
        content = {"decision": decision, "reward": reward, "metrics": metrics}
        try:
            self._ask("POST", "/v1/outcome", content)
        except BROKEN:
            try:
                self._ask("POST", "/v1/outcome", content)
            except ServiceError as error:
                if "recorded before" not in str(error):
                    raise  # else that was the first try

    def policy(self) -> dict[str, Any]:
        """Return the manifest of the policy that decides."""
        return self._ask("GET", "/v1/policy")

    def _ask(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        body = None if content is None else json.dumps(content, default=_plain)
        if self._is_stale():
            self._connection.close()
        try:
            self._connection.request(method, self._prefix + path, body, self._headers)
            response = self._connection.getresponse()
            text = response.read()
        except BaseException:  # an answer that comes late must not meet the next request
            self._connection.close()
            raise
        self._used = time.monotonic()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if response.status == http.client.OK and isinstance(answer, dict):
            return answer
        error = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(error, dict):
            error = {"problem": text[:200].decode(errors="replace")}
        raise ServiceError(response.status, error)

    def _is_stale(self) -> bool:
        """Return whether the connection rested long or was closed: nothing else can be read."""
        sock = self._connection.sock
        if sock is None:
            return False
        if time.monotonic() - self._used > IDLE_S:
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            return bool(selector.select(0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
