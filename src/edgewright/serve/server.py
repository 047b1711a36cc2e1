"""Run the service on a socket with signals, uvicorn and uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

import uvicorn
from uvicorn.server import ServerState

from edgewright.serve.app import Service
from edgewright.serve.log import DecisionLog
from edgewright.serve.notify import READY, STOPPING, notify
from edgewright.serve.protocol import Limits, timeout_protocol
from edgewright.serve.reload import Hangups
from edgewright.serve.settings import Listening, Settings
from edgewright.serve.sockets import BACKLOG, address_of, opened

LAST_S = 0.5
"""How long connections that rest may be used once more after the last one was taken."""


def run(settings: Settings, emit: Callable[[str], None]) -> int:
    """Serve until a stop signal arrives; answer the requests that arrived before it.

    Returns:
        How many decisions were lost whose clients got the answer "queued".

    Raises:
        InputError: the bundle, the log or the port cannot be had.
    """
    hangups = Hangups()
    hangups.catch()
    ports, names = (settings.port, settings.probe_port), ("--port", "--probe-port")
    with opened(settings.host, *ports, names) as (listening, probing):
        service = Service(settings, emit)
        service.reloader.hangups = hangups
        return serve(service, listening, probing)


class Served(Protocol):
    """An ASGI application that a server runs, with what the server asks it for.

    Attributes:
        title: what answers, for the line that names the address.
        log: of decisions, which is closed at the end; None for none.
        hangups: signals to reload.
        stopping: set when a signal to stop arrived.
        probe_app: an ASGI application of the probes alone.
    """

    stopping: bool

    @property
    def settings(self) -> Listening: ...
    @property
    def title(self) -> str: ...
    @property
    def log(self) -> DecisionLog | None: ...
    @property
    def hangups(self) -> Hangups: ...
    @property
    def probe_app(self) -> Any: ...
    def limits(self) -> Limits: ...
    def emit(self, text: str, /) -> None: ...
    async def __call__(self, scope: Any, receive: Any, send: Any, /) -> None: ...


def serve(service: Served, listening: socket.socket, probing: socket.socket | None) -> int:
    """Run a service on its sockets until it has stopped; return how many decisions were lost."""
    lost = 0
    if threading.current_thread() is threading.main_thread():
        # uvicorn stops in good order and then raises the signal again: that is the end, not a crash
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, lambda *_: sys.exit(0))
    try:
        with contextlib.suppress(SystemExit):
            _Server(service, probing).run(sockets=[listening])
    finally:
        if service.log is not None:
            service.log.close(0.0)
            if lost := service.log.lost:
                service.emit(f"{lost} decisions could not be written to {service.log.path}")
        service.hangups.ignore()
    return lost


class _Server(uvicorn.Server):
    """uvicorn's server, which says where it is once it answers, and stops in steps.

    A signal to stop shows in ``/readyz`` at once, and every answer from then on is the last one of
    its connection and says so. For the time of ``--drain`` all else goes on, so that whoever sends
    requests can notice; then, or at a second signal, nobody new is taken, those who still have a
    connection get a moment to use it once more, and the service stops. Probes are answered to the
    end.
    """

    def __init__(self, service: Served, probing: socket.socket | None) -> None:
        settings = service.settings
        self.limits = service.limits()
        super().__init__(configuration(service, settings, self.limits))
        self.service, self.drain_s, self.signals = service, settings.drain_s, 0
        self._probing, self._probes = probing, ServerState()
        self._listeners: list[asyncio.Server] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or []:
            self.service.emit(f"{self.service.title} on {address_of(listening)}")
        if self._probing is not None:
            await self._answer_probes(self._probing)
            self.service.emit(f"probes on {address_of(self._probing)}")
        notify(f"{READY}\nSTATUS={self.service.title}")

    async def _answer_probes(self, listening: socket.socket) -> None:
        """Answer probes and scrapes on a socket of their own, with limits of their own."""
        service, loop = self.service, asyncio.get_running_loop()
        config = configuration(service.probe_app, service.settings, service.limits())
        config.load()
        make: Any = config.http_protocol_class
        self._listeners.append(
            await loop.create_server(
                lambda: make(config=config, server_state=self._probes, app_state={}, _loop=loop),
                sock=listening,
                backlog=BACKLOG,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.signals += 1
        self.service.stopping = self.limits.stopping = True
        notify(STOPPING)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._while(lambda: True, self.drain_s)
        for server in self.servers:
            server.close()
        await self._while(lambda: bool(self.server_state.connections), LAST_S)
        await super().shutdown(sockets)
        for listener in self._listeners:
            listener.close()
        for connection in [*self._probes.connections]:
            connection.shutdown()

    async def _while(self, true: Callable[[], bool], seconds: float) -> None:
        """Let requests be answered while something is true, for so long, or to a second signal."""
        end = time.monotonic() + seconds
        while true() and time.monotonic() < end and self.signals < 2:
            await asyncio.sleep(0.02)


def configuration(
    app: Any,
    settings: Listening,
    limits: Limits | None = None,
) -> uvicorn.Config:
    """Return how uvicorn runs an application here."""
    return uvicorn.Config(
        app,
        http=timeout_protocol(limits or Limits(settings, Counter(), lambda text: None)),
        loop="uvloop",
        lifespan="on",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=max(1, round(settings.client_timeout_s)),
        timeout_graceful_shutdown=max(1, round(settings.grace_s)),
    )
