"""Run a gateway on a socket with the server of ``edgewright serve``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from edgewright.gateway.app import Gateway
from edgewright.serve.reload import Hangups
from edgewright.serve.server import bound_socket, serve


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
    with contextlib.ExitStack() as ports:
        key = f"{file}: gateway.port"
        listening = ports.enter_context(bound_socket(settings.host, settings.port, key))
        probing = None
        if (port := settings.probe_port) is not None:
            probe_key = f"{file}: gateway.probe_port"
            probing = ports.enter_context(bound_socket(settings.host, port, probe_key))
        return serve(gateway, listening, probing)
