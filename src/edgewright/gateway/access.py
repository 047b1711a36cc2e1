"""Write a line for each request, and echo the ids by which clients follow it."""

from __future__ import annotations

import contextvars
import datetime
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from edgewright.gateway import clock

TEXT, JSON = "text", "json"
PROBES = ("/healthz", "/readyz", "/metrics")
CLIENT_ID, TRACE = "x-client-request-id", "traceparent"

TRACE_OF_REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="")
"""The ``traceparent`` (W3C Trace Context) of the request that runs, for what it is sent on to."""

_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_SHOWN = {"backend": "x-edgewright-backend", "quality": "x-edgewright-quality"}


def ids_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request that its answer repeats; what is malformed is left out."""
    given = {CLIENT_ID: (_ID, headers.get(CLIENT_ID)), TRACE: (_TRACE, headers.get(TRACE))}
    return {name: text for name, (form, text) in given.items() if text and form.fullmatch(text)}


class Observed:
    """Sends an answer on, with the ids of its request, and remembers what it was.

    Attributes:
        status: 0 until the head was sent.
    """

    def __init__(self, send: Callable[[Any], Any], scope: Any, headers: Mapping[str, str]) -> None:
        self._send, self._scope, self.ids = send, scope, ids_of(headers)
        self._began, self.status = clock.now(), 0
        self._head: list[tuple[bytes, bytes]] = []

    async def __call__(self, message: Any) -> None:
        """Send one message of ASGI."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._head = [*message.get("headers", [])]
            more = [(name.encode(), text.encode()) for name, text in self.ids.items()]
            message = {**message, "headers": self._head + more}
        await self._send(message)

    def line(self, form: str) -> str:
        """Return the access line: never a prompt, a body or a key."""
        head = {name.decode("latin-1"): text.decode("latin-1") for name, text in self._head}
        facts: dict[str, Any] = {
            "time": _now(),
            "level": "error" if self.status >= 500 else "info",
            "event": "request",
            "method": self._scope["method"],
            "path": self._scope["path"][:200],
            "status": self.status or None,
            "ms": round(1e3 * (clock.now() - self._began), 2),
            "request_id": head.get("x-request-id"),
            "client_request_id": self.ids.get(CLIENT_ID),
            "traceparent": self.ids.get(TRACE),
            **{name: head.get(header) for name, header in _SHOWN.items()},
        }
        if form == JSON:
            return orjson.dumps(facts).decode()
        rest = {name: value for name, value in facts.items() if value is not None}
        shown = [str(rest.pop(name)) for name in ("time", "method", "path")]
        rest = {n: v for n, v in rest.items() if n not in ("level", "event")}
        return " ".join([*shown, *(f"{name}={value}" for name, value in rest.items())])


def message(text: str, form: str) -> str:
    """Return what a gateway says besides access lines, in the form of its log."""
    if form != JSON:
        return text
    return orjson.dumps(
        {"time": _now(), "level": "info", "event": "message", "text": text}
    ).decode()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
