"""Run the service on a socket with signals, uvicorn and uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from edgewright.core.errors import InputError
from edgewright.serve.app import Service
from edgewright.serve.counters import Counters
from edgewright.serve.protocol import Limits, timeout_protocol
from edgewright.serve.reload import Hangups
from edgewright.serve.settings import Settings

BACKLOG = 1024


def run(settings: Settings, emit: Callable[[str], None]) -> int:
    """Serve until a stop signal arrives; answer the requests that arrived before it.

    Returns:
        How many decisions were lost whose clients got the answer "queued".

    Raises:
        InputError: the bundle, the log or the port cannot be had.
    """
    hangups = Hangups()
    hangups.catch()
    listening = bound_socket(settings)
    lost = 0
    try:
        service = Service(settings, emit)
    except BaseException:
        listening.close()
        raise
    service.reloader.hangups = hangups
    if threading.current_thread() is threading.main_thread():
        # uvicorn stops in good order and then raises the signal again: that is the end, not a crash
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, lambda *_: sys.exit(0))
    try:
        with contextlib.suppress(SystemExit):
            _Server(service, settings).run(sockets=[listening])
    finally:
        listening.close()
        if service.log is not None:
            service.log.close(0.0)
            if lost := service.log.lost:
                emit(f"{lost} decisions could not be written to {settings.log}")
        hangups.ignore()
    return lost


class _Server(uvicorn.Server):
    """uvicorn's server, which says where it is once it answers, and stops in two steps.

    A signal to stop shows in ``/readyz`` at once. For the time of ``--drain`` all else goes on, so
    that whoever sends requests can notice; then, or at a second signal, the service stops.
    """

    def __init__(self, service: Service, settings: Settings) -> None:
        super().__init__(configuration(service, settings, service.counters, service.emit))
        self.service, self.drain_s, self.signals = service, settings.drain_s, 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or []:
            host, port = listening.getsockname()[:2]
            bundle = self.service.decider.serving.bundle
            self.service.emit(f"{bundle.name} ({bundle.version}) on http://{host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.signals += 1
        self.service.stopping = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end = time.monotonic() + self.drain_s
        while time.monotonic() < end and self.signals < 2:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


def configuration(
    app: Any,
    settings: Settings,
    counters: Counters | None = None,
    emit: Callable[[str], None] = lambda text: None,
) -> uvicorn.Config:
    """Return how uvicorn runs an application here."""
    return uvicorn.Config(
        app,
        http=timeout_protocol(Limits(settings, counters or Counters(), emit)),
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
        message = f"cannot listen on {settings.host}:{settings.port}: {error}"
        raise InputError(message, where="--port", hint="choose another --port or --host") from None
    listening.setblocking(False)
    return listening
