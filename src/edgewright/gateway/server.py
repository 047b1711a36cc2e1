"""Run a gateway on a socket with the server of ``edgewright serve``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgewright.gateway.app import Gateway
from edgewright.serve.reload import Hangups
from edgewright.serve.server import serve
from edgewright.serve.sockets import opened


def run(file: Path, emit: Callable[[str], None]) -> int:
    """Answer until a stop signal arrives, and finish the requests that arrived before it.

    Returns:
        How many decisions could not be written to the log.

    Raises:
        InputError: the configuration, a bundle, the log or the port cannot be used.
    """
    hangups = Hangups()
    hangups.catch()
    gateway = Gateway(file, emit)
    gateway.watcher.hangups = hangups
    settings = gateway.settings
    names = (f"{file}: gateway.port", f"{file}: gateway.probe_port")
    with opened(settings.host, settings.port, settings.probe_port, names) as (listening, probing):
        return serve(gateway, listening, probing)
