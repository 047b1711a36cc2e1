"""Run the service: a socket, uvicorn on uvloop, and connections that may not idle for ever."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgewright.core.errors import InputError
from edgewright.serve.app import Service
from edgewright.serve.settings import Settings

BACKLOG = 1024


def run(settings: Settings, tell: Callable[[str], None]) -> None:
    """Serve until told to stop; what is asked for by then is answered first.

    Raises:
        InputError: the bundle, the log or the port cannot be had.
    """
    service = Service(settings, tell)
    listening = bound_socket(settings)
    host, port = listening.getsockname()[:2]
    serving = service.decider.serving
    tell(f"{serving.bundle.name} ({serving.bundle.version}) on http://{host}:{port}")
    if threading.current_thread() is threading.main_thread():
        # uvicorn stops in good order and then raises the signal again: that is the end, not a crash
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, lambda *_: sys.exit(0))
    try:
        uvicorn.Server(configuration(service, settings)).run(sockets=[listening])
    finally:
        listening.close()
        if service.log is not None:
            service.log.close(0.0)


def configuration(app: Any, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn runs an application here."""
    return uvicorn.Config(
        app,
        http=patient_protocol(settings.patience_s),
        loop="uvloop",
        lifespan="on",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=max(1, round(settings.patience_s)),
        timeout_graceful_shutdown=max(1, round(settings.grace_s)),
    )


def patient_protocol(patience_s: float) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol with a limit to how long a client may keep a connection waiting.

    uvicorn closes connections that idle *between* requests; one that never finishes a request, head
    or body, would stay. Here a connection that waits for its client at two looks in a row, and for
    the same request, is closed. It costs nothing for each request.
    """

    class Patient(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._last: Any = self
            self._look = self.loop.call_later(patience_s, self._check)

        def connection_lost(self, exc: Exception | None) -> None:
            self._look.cancel()
            super().connection_lost(exc)

        def _check(self) -> None:
            cycle = self.cycle
            waiting = cycle is None or cycle.response_complete or cycle.more_body
            if waiting and self._last is cycle:
                self.transport.close()
                return
            self._last = cycle
            self._look = self.loop.call_later(patience_s, self._check)

    return Patient


def bound_socket(settings: Settings) -> socket.socket:
    """Return a socket that listens where a service is to answer.

    Raises:
        InputError: the address cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)  # the address is said next: whoever reads it may connect
    except (OSError, OverflowError) as error:
        problem = f"cannot listen on {settings.host}:{settings.port}: {error}"
        raise InputError(problem, where="--port", hint="choose another --port or --host") from None
    listening.setblocking(False)
    return listening
