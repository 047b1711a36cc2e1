"""Handle one connection with uvicorn's HTTP protocol, and limit what a client may hold."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from edgewright.serve.settings import Listening

PIECE = 16_384
"""Bytes that are parsed at most before the limits are checked again."""

MAX_HEAD, MAX_HEADERS = 32_768, 100
"""A head, or what follows a body, is refused where it grows beyond these bytes or lines."""

MAX_PIPELINED = 100
"""Requests of one connection that may wait for the answers before theirs."""

PROBES = (b"/healthz", b"/readyz", b"/metrics")
SPARE = 16
"""Connections beyond the most, on which probes are answered all the same."""

SAY_EVERY_S, LINGER_S = 60.0, 1.0

SILENT_S = 1.0
"""A connection that kept the service waiting so long gives way where there are too many."""


def plain_error(status: int, message: str) -> bytes:
    """Return the body of an answer that refuses a request, as the decision service writes it."""
    return orjson.dumps({"error": {"problem": message}})


class Limits:
    """The state that all connections of a port share.

    Attributes:
        stopping: whether each answer is the last one of its connection, and says so.
        error_body: makes the body of a refused request from its status and message.
        not_accepted: headers of a refused request where the connection has no other one.
    """

    def __init__(
        self,
        settings: Listening,
        refused: Counter[int],
        emit: Callable[[str], None],
        error_body: Callable[[int, str], bytes] = plain_error,
        not_accepted: Mapping[str, str] | None = None,
    ) -> None:
        self.client_timeout_s, self.grace_s = settings.client_timeout_s, settings.grace_s
        self.most, self.refused, self._emit = settings.max_connections, refused, emit
        self.error_body, self.not_accepted = error_body, not_accepted or {}
        self._said = -SAY_EVERY_S
        self.stopping = False

    def crowded(self) -> None:
        """Report, now and then, that there are too many connections."""
        if time.monotonic() - self._said >= SAY_EVERY_S:
            self._said = time.monotonic()
            self._emit(f"more than {self.most} connections, see --max-connections: refusing some")


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message


_TOO_LARGE = 431, f"the head of the request has more than {MAX_HEAD} bytes or {MAX_HEADERS} lines"


class TimeoutProtocol(HttpToolsProtocol):
    """A connection that ends where its client keeps it waiting, and takes no endless heads.

    uvicorn closes connections that idle *between* requests; one that never finishes a request, head
    or body, or never takes its answer, would stay. Here a connection that waits for its client at
    two looks in a row, and for the same request, is closed. That costs nothing for each request.
    """

    limits: ClassVar[Limits]
    parser: Any

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._unproductive, self._moved = 0, False
        self._queued: deque[Any] = deque(maxlen=MAX_PIPELINED + 2)
        self._last: Any = self
        self._look = self.loop.call_later(self.limits.client_timeout_s, self._check)
        self._heard = self.loop.time()
        if len(self.connections) > self.limits.most:
            self._make_room()
        self._spare = len(self.connections) > self.limits.most
        if self._spare:
            self.limits.crowded()
            if len(self.connections) > self.limits.most + SPARE:
                self._refuse(_crowded())

    def connection_lost(self, exc: Exception | None) -> None:
        self._look.cancel()
        self._answer_nobody()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Finish the connection; a client still being answered has half of the grace left."""
        super().shutdown()
        self._last = self.cycle
        self._look.cancel()
        soon = min(self.limits.client_timeout_s, self.limits.grace_s) / 2
        self._look = self.loop.call_later(soon, self._check)

    def _make_room(self) -> None:
        """Close connections that kept the service waiting for a while, the longest silent first."""
        limit = self.loop.time() - SILENT_S
        others: Any = self.connections
        silent = [one for one in others if one._heard < limit and one._is_waiting()]
        silent.sort(key=lambda one: one._heard)
        for one in silent[: len(others) - self.limits.most]:
            others.discard(one)
            one._hang_up()

    def _is_waiting(self) -> bool:
        """Return whether it is the client's turn to send or to read."""
        cycle = self.cycle
        waiting = cycle is None or cycle.response_complete or cycle.more_body
        return waiting or self.flow.write_paused

    def _hang_up(self) -> None:
        self._answer_nobody()
        self.transport.abort()  # close() would wait for what the client does not read

    def _check(self) -> None:
        cycle = self.cycle
        if self._is_waiting() and self._last is cycle:
            self._hang_up()
            return
        self._last = cycle
        self._look = self.loop.call_later(self.limits.client_timeout_s, self._check)

    def data_received(self, data: bytes) -> None:
        self._heard = self.loop.time()
        self._unset_keepalive_if_required()
        if len(data) <= PIECE:
            self._parse(data)
            return
        for start in range(0, len(data), PIECE):
            if self.transport.is_closing():
                return
            self._parse(data[start : start + PIECE])

    def _parse(self, data: bytes) -> None:
        """Parse a piece. One that ends no head and brings no body counts towards a limit."""
        cycle, self._moved = self.cycle, False
        rest = data
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    rest = b""
                except httptools.HttpParserUpgrade as wish:
                    rest = self._without_wish(rest[wish.args[0] :])
        except (httptools.HttpParserError, _Refused) as error:
            cause = error if isinstance(error, _Refused) else error.__context__
            known = isinstance(cause, _Refused)
            self._refuse(cause if known else _Refused(400, "this is not an HTTP request"))
            return
        if self._moved or self.cycle is not cycle:
            self._unproductive = 0
            return
        self._unproductive += len(data)
        if self._unproductive > MAX_HEAD or len(self.headers or ()) > MAX_HEADERS:
            self._refuse(_Refused(*_TOO_LARGE))

    def _without_wish(self, rest: bytes) -> bytes:
        """Return the head just parsed without its wish for another protocol, and what follows.

        A server may go on in HTTP/1.1. The parser would not: it skips the body of such a request,
        or takes it for the next one.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise _Refused(405, "CONNECT is not answered here")
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join(lines) + b"\r\n\r\n" + rest

    def _should_upgrade(self) -> bool:
        return True  # so nothing is done with such a head before it is parsed again

    def on_headers_complete(self) -> None:
        if self._spare or len(self.headers) > MAX_HEADERS:
            if len(self.headers) > MAX_HEADERS:
                raise _Refused(*_TOO_LARGE)
            probe = self.url.partition(b"?")[0] in PROBES
            if not probe and len(self.connections) > self.limits.most:
                raise _crowded()
        self._check_host()
        before = self.cycle
        super().on_headers_complete()
        if self.limits.stopping:
            self.cycle.keep_alive = False
        if self.pipeline:
            self._queued.append(before)
            if len(self.pipeline) > MAX_PIPELINED:
                message = f"more than {MAX_PIPELINED} requests wait for their answers"
                raise _Refused(429, message)

    def _check_host(self) -> None:
        """Refuse what proxies and servers may take for requests to different hosts."""
        hosts = sum(1 for name, _ in self.headers if name == b"host")
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0"):
            raise _Refused(400, f"a request must name one Host; this one names {hosts or 'none'}")

    def on_body(self, body: bytes) -> None:
        self._moved = True
        super().on_body(body)

    def _answer_nobody(self) -> bool:
        """Let no request write any more; return whether an answer is half written.

        uvicorn does that for the latest request only, not for those that it was queued behind.
        """
        half = False
        for cycle in (*self._queued, self.cycle):
            if cycle is not None and not cycle.response_complete:
                half = half or cycle.response_started
                cycle.disconnected = True
                cycle.message_event.set()
        return half

    def _refuse(self, refused: _Refused) -> None:
        """Answer at once and hang up, whether the client reads that or not."""
        self.limits.refused[refused.status] += 1
        cycles = (*self._queued, self.cycle)
        idle = all(one is None or one.response_complete for one in cycles)
        headers = self.limits.not_accepted if idle else {}
        if not self._answer_nobody():
            self.transport.write(_answer(refused, self.limits.error_body, headers))
        self.transport.close()
        self._look.cancel()
        self._look = self.loop.call_later(LINGER_S, self.transport.abort)


def timeout_protocol(limits: Limits) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol for connections with these limits."""
    return type("Patient", (TimeoutProtocol,), {"limits": limits})


def _crowded() -> _Refused:
    return _Refused(503, "there are too many connections, come again later")


def _answer(
    refused: _Refused, error_body: Callable[[int, str], bytes], headers: Mapping[str, str]
) -> bytes:
    body = error_body(refused.status, refused.message)
    head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n"
    lines = b"".join(b"%b: %b\r\n" % (a.encode(), b.encode()) for a, b in headers.items())
    return STATUS_LINE[refused.status] + head % len(body) + lines + b"\r\n" + body
