"""Answer OpenAI's requests with a small ASGI application around the decision.

Requests that generate go to :mod:`~edgewright.gateway.asking`; all others go through Starlette.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from edgewright.gateway.access import PROBES, TRACE, TRACE_OF_REQUEST, Observed, message
from edgewright.gateway.asking import READERS, ask
from edgewright.gateway.counters import Counters
from edgewright.gateway.errors import NOT_ACCEPTED, APIError, error_body
from edgewright.gateway.log import OutcomeLog
from edgewright.gateway.pages import ERRORS, Pages
from edgewright.gateway.plan import Plan, make_plan
from edgewright.gateway.receipts import Receipts
from edgewright.gateway.reload import ConfigWatcher
from edgewright.gateway.shadows import Shadows
from edgewright.gateway.streams import Answer
from edgewright.serve.log import DecisionLog
from edgewright.serve.protocol import Limits
from edgewright.serve.reload import Hangups
from edgewright.serve.settings import Listening

GUARDED = "/v1/"
"""Paths below this ask for a key, where there are keys; probes and scrapes never do."""


class Gateway:
    """An ASGI application that decides with one plan at a time.

    Raises:
        InputError: the configuration, or a file that it names, cannot be used.
    """

    def __init__(self, file: Path, emit: Callable[[str], None] = lambda text: None) -> None:
        self.file, self._emit = file, emit
        self.plan: Plan = make_plan(file)
        table, log = self.plan.config.gateway, self.plan.config.log
        self.settings = Listening(
            host=table.host,
            port=table.port,
            probe_port=table.probe_port,
            max_body_bytes=table.max_body_bytes,
            max_connections=table.max_connections,
            client_timeout_s=table.client_timeout_s,
            watch_s=table.watch_s,
            drain_s=table.drain_s,
            grace_s=table.grace_s,
        )
        self.counters, self.receipts = Counters(), Receipts(log.receipts)
        self.counters.expect(self.plan)
        self.outcomes = OutcomeLog(log, file)
        self.stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.watcher = ConfigWatcher(self)
        self.shadows = Shadows(self.counters)
        self._pages = Pages(self)
        self._rest = Starlette(
            routes=self._pages.routes, exception_handlers=ERRORS, lifespan=self._live
        )
        self._rest.router.redirect_slashes = False
        self.probe_app = self._pages.probe_app

    def emit(self, text: str, /) -> None:
        """Report something to whoever started the gateway."""
        self._emit(message(text, self.plan.config.log.access))

    @property
    def title(self) -> str:
        """Return what decides, and for how many back ends."""
        return f"{self.plan.chooser.label} for {len(self.plan.backends)} back ends"

    @property
    def log(self) -> DecisionLog | None:
        """Return the log of decisions, if one is kept."""
        return self.outcomes.log

    @property
    def hangups(self) -> Hangups:
        """Return the signals to reload."""
        return self.watcher.hangups

    def limits(self) -> Limits:
        """Return the limits of the connections of one port."""
        return Limits(self.settings, self.counters.refused, self.emit, error_body, NOT_ACCEPTED)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the requests; it is waited for at the end, and an error reported."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{Path(frame.filename).name}:{frame.lineno}"
            self.emit(f"work beside the requests failed: {type(error).__name__} at {at}")

    def take(self, plan: Plan) -> None:
        """Let a new plan decide from the next request on."""
        plan.begin(self.plan)
        self.counters.expect(plan)
        self.plan = plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (or run startup and shutdown)."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        observed = Observed(send, scope, headers)
        TRACE_OF_REQUEST.set(observed.ids.get(TRACE, ""))
        try:
            await self._answer(scope, receive, observed, headers)
        finally:
            form = self.plan.config.log.access
            if form != "none" and scope["path"] not in PROBES:
                self._emit(observed.line(form))

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]
    ) -> None:
        """Answer a request of HTTP."""
        answer = Answer(send, {})
        try:
            client = None
            if scope["path"].startswith(GUARDED):
                client = self.plan.keys.client(headers)
                scope.setdefault("state", {})["client"] = client.id
            if client is None or scope["path"] not in READERS:
                await self._rest(scope, receive, send)
                return
            if scope["method"] != "POST":
                why = "this path is asked with POST"
                raise APIError(405, why, code="method_not_allowed", headers={"allow": "POST"})
            answer = Answer(send, client.admit())
            self.counters.clients[client.name,] += 1
        except APIError as error:
            self.counters.refused[error.status] += 1
            await answer.error(error, {})
            return
        try:
            await ask(self, scope["path"], answer, receive, client, headers)
        finally:
            client.in_flight -= 1

    @contextlib.asynccontextmanager
    async def _live(self, app: Starlette) -> AsyncIterator[None]:
        async with self.watcher.watching():
            try:
                yield
            finally:
                self.stopping = True
                if self._tasks:
                    await asyncio.wait(self._tasks, timeout=self.settings.grace_s)
                for backend in self.plan.backends.values():
                    await backend.generator.close()
                await self.watcher.closed()
                if self.log is not None:
                    await asyncio.to_thread(self.log.close, self.settings.grace_s)
