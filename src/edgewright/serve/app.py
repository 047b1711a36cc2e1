"""Answer HTTP requests with a small ASGI application around the decider.

``POST /v1/decide`` is answered here, byte for byte; everything else goes through Starlette.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from edgewright.serve.canary import PROMOTED, Canary, promote, result_text
from edgewright.serve.counters import Counters
from edgewright.serve.decider import (
    ActivePolicy,
    Decider,
    HTTPError,
    parse_object,
    prepare,
    prepare_canary,
)
from edgewright.serve.log import TWICE, UNKNOWN, DecisionLog, Report
from edgewright.serve.openapi import document
from edgewright.serve.outcome import read_outcome
from edgewright.serve.probes import ERRORS, Probes
from edgewright.serve.protocol import Limits
from edgewright.serve.reload import Hangups, Reloader
from edgewright.serve.settings import Settings

DECIDE = "/v1/decide"
GUARDED = "/v1/"
"""Paths below this ask for the token, where there is one; probes and scrapes never do."""

_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")


class Service:
    """An ASGI application that decides with one bundle at a time.

    Raises:
        InputError: the bundle, the fallback or the log cannot be opened.
    """

    def __init__(self, settings: Settings, emit: Callable[[str], None] = lambda text: None) -> None:
        self.settings, self._emit = settings, emit
        self.counters = Counters()
        serving = prepare(settings)
        self.log = None
        if settings.log:
            self.log = DecisionLog(
                settings.log,
                settings.log_queue_size,
                sync=settings.log_sync,
                keep=settings.log_keep,
            )
        rule = serving.fallback_name if serving.fallback is not None else None
        self.counters.expect(serving.bundle.interface, rule)
        self.decider = Decider(serving, settings, self.counters, self.log)
        self.decider.canary = prepare_canary(settings, serving)
        self.reloader = Reloader(self.decider, settings, self.counters, emit)
        self.stopping, self.probes = False, Probes(self)
        self._token = settings.token.encode() if settings.token else None
        self._rest = Starlette(
            routes=[
                Route("/v1/outcome", self._outcome, methods=["POST"]),
                Route("/v1/policy", self._policy, methods=["GET"]),
                *self.probes.routes,
                Route("/openapi.json", self._openapi, methods=["GET"]),
            ],
            exception_handlers=ERRORS,
            lifespan=self._live,
        )
        self._rest.router.redirect_slashes = False  # a redirect would repeat the Host it was sent

    def emit(self, text: str, /) -> None:
        """Report something to whoever started the service."""
        self._emit(text)

    @property
    def title(self) -> str:
        """Return the name and the version of the policy that decides."""
        bundle = self.decider.serving.bundle
        return f"{bundle.name} ({bundle.version})"

    @property
    def hangups(self) -> Hangups:
        """Return the signals to reload."""
        return self.reloader.hangups

    @property
    def probe_app(self) -> Any:
        """Return the application of the probes alone."""
        return self.probes.app

    def limits(self) -> Limits:
        """Return the limits of the connections of one port."""
        return Limits(self.settings, self.counters.refused, self.emit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (or run the service's startup and shutdown)."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        path = scope["path"]
        try:
            if self._token is not None and path.startswith(GUARDED):
                self._check_token(scope, self._token)
            if path != DECIDE:
                await self._rest(scope, receive, send)
                return
            if scope["method"] != "POST":
                raise HTTPError(405, "decisions are asked for with POST")
            _check_type(scope["headers"])
            body = await self._decide(await self._body(receive))
        except HTTPError as refusal:
            await self._refuse(send, refusal)
            return
        await _reply(send, 200, body)

    async def _decide(self, body: bytes) -> bytes:
        """Return the answer to a request for decisions, once they are on the disk if they must be.

        Raises:
            HTTPError: the request cannot be answered, or its decisions cannot be written.
        """
        if self.log is None or not self.settings.log_sync:
            return self.decider.answer(body)
        first, dropped = self.log.taken, self.log.dropped
        answer = self.decider.answer(body)
        full = self.log.dropped != dropped
        future, reply = _elsewhere()
        self.log.wait_for(first, reply)
        if await future or full:
            message = "the log cannot be written now, so nothing was decided"
            raise HTTPError(503, message, hint="ask again; /readyz says what the log's problem is")
        return answer

    def _check_token(self, scope: Scope, token: bytes) -> None:
        given = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                given = value
        scheme, _, borne = given.partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(borne.strip(), token):
            raise HTTPError(401, "a valid token is needed", hint="Authorization: Bearer TOKEN")

    async def _body(self, receive: Receive) -> bytes:
        """Return the whole body, if it is not too large.

        A body that does not arrive in time ends with its connection, see ``server.py``.
        """
        message: Message = await receive()
        body = message.get("body", b"")
        while message.get("more_body", False) and len(body) <= self.settings.max_body_bytes:
            message = await receive()
            body += message.get("body", b"")
        if message["type"] == "http.disconnect":
            raise HTTPError(400, "the client went away")
        if len(body) > self.settings.max_body_bytes:
            raise HTTPError(413, f"the body is larger than {self.settings.max_body_bytes} bytes")
        return body

    async def _refuse(self, send: Send, refusal: HTTPError) -> None:
        self.counters.refused[refusal.status] += 1
        headers = []
        if refusal.status == 413:
            headers.append(_CLOSE)  # the rest of the body is not waited for
        if refusal.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if refusal.status == 405:
            headers.append((b"allow", b"POST"))
        await _reply(send, refusal.status, orjson.dumps(refusal.content), headers)

    async def _outcome(self, request: Request) -> Response:
        try:
            _check_type(request.scope["headers"])
            content = parse_object(await self._body(request.receive))
            policies: list[str] = []
            report = self._report(content, policies.append)
        except HTTPError as refusal:
            self.counters.refused[refusal.status] += 1
            headers = {"connection": "close"} if refusal.status == 413 else None
            return JSONResponse(refusal.content, refusal.status, headers)
        answer = await report
        if answer == "":
            self.counters.outcomes += 1
            self.counters.watch.reported(policies[-1], float(content["reward"]))
            await self._compare(content)
            return JSONResponse({"recorded": True})
        status, message = {
            UNKNOWN: (404, "unknown decision: it is not in the log"),
            TWICE: (409, "an outcome of this decision was recorded before"),
        }.get(answer, (503, "the log cannot be written now; the outcome was not recorded"))
        self.counters.refused[status] += 1
        return JSONResponse({"error": {"problem": message}}, status)

    async def _compare(self, content: dict[str, Any]) -> None:
        """Let an outcome count for the canary, and promote or withdraw it where that is clear."""
        canary = self.decider.canary
        if canary is None:
            return
        result = canary.reported(content["decision"], float(content["reward"]))
        if not result:
            return
        expected = self.decider.serving.bundle.version
        self.counters.canaries[result] += 1
        self.decider.canary = None
        self._emit(result_text(canary.facts(), result, "decision"))
        if result == PROMOTED:
            await self.reloader.exclusively(self._promote(canary, expected))

    async def _promote(self, canary: Canary[ActivePolicy], expected: str) -> None:
        """Let a canary take over, in the file too, unless another bundle came meanwhile."""
        file, running = self.settings.bundle, self.decider.serving.bundle.version
        if running != expected:
            self._emit(f"the canary does not take over, as {running} was loaded meanwhile")
            return
        self.decider.serving = canary.serving
        try:
            await asyncio.to_thread(promote, file, canary, expected)
        except Exception as error:  # whatever is wrong with a file, the service goes on
            stays = f"what {file} holds stays there"
            self._emit(f"the file was not replaced, {stays}: {str(error) or repr(error)}")

    def _report(self, content: dict[str, Any], note: Callable[[str], None]) -> asyncio.Future[str]:
        """Hand an outcome to the log; return what will say how that went.

        Args:
            note: gets the version of the bundle that decided.
        """
        decision, reward, metrics = read_outcome(content)
        if self.log is None:
            raise HTTPError(409, "this service keeps no log", hint="start it with --log FILE")
        future, reply = _elsewhere()
        self.log.report(Report(decision, time.time(), reward, metrics, reply, note))
        return future

    async def _policy(self, request: Request) -> Response:
        serving = self.decider.serving
        facts: dict[str, Any] = {
            "version": serving.bundle.version,
            "fallback": serving.fallback_facts,
        }
        canary = self.decider.canary
        facts["canary"] = canary.facts() if canary is not None else None
        return JSONResponse({**facts, **serving.bundle.facts})

    async def _openapi(self, request: Request) -> Response:
        bundle = self.decider.serving.bundle
        return JSONResponse(document(bundle.interface, bundle.name, self.settings))

    @contextlib.asynccontextmanager
    async def _live(self, app: Starlette) -> AsyncIterator[None]:
        async with self.reloader.watching():
            try:
                yield
            finally:
                self.stopping = True
                if self.log is not None:
                    await asyncio.to_thread(self.log.close, self.settings.grace_s)


def _elsewhere() -> tuple[asyncio.Future[str], Callable[[str], None]]:
    """Return what will hold the answer of another thread, and what that thread answers with."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()

    def reply(answer: str) -> None:
        def settle() -> None:
            if not future.done():
                future.set_result(answer)

        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle)

    return future, reply


async def _reply(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [_JSON, length, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})


def _check_type(headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse a body that is not said to be plain JSON.

    A page of a browser can post other types, or none, to any address it likes; JSON it cannot.
    """
    kind = b""
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise HTTPError(415, "compressed bodies are not read", hint="send plain JSON")
    if kind != b"application/json" and kind.partition(b";")[0].strip().lower() != _JSON[1]:
        message = "the body is not said to be JSON"
        raise HTTPError(415, message, hint="Content-Type: application/json")
