"""Run a gateway on a socket with the server of ``edgewright serve``."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

from edgewright.gateway.app import Gateway
from edgewright.serve.reload import Hangups
from edgewright.serve.server import serve
from edgewright.serve.sockets import opened

COLLECT = (10_000, 20, 20)
"""Objects made before Python looks for cycles, and how much rarer it looks at older ones.

A request makes many objects and next to no cycles, so looking as often as Python does by itself
takes time and frees little.
"""


def run(file: Path, emit: Callable[[str], None]) -> int:
    """Answer until a stop signal arrives, and finish the requests that arrived before it.

    Returns:
        How many decisions could not be written to the log.

    Raises:
        InputError: the configuration, a bundle, the log or the port cannot be used.
    """
    hangups = Hangups()
    hangups.catch()
    gc.set_threshold(*COLLECT)
    gateway = Gateway(file, emit)
    gateway.watcher.hangups = hangups
    settings = gateway.settings
    names = (f"{file}: gateway.port", f"{file}: gateway.probe_port")
    gc.freeze()  # modules and configuration stay
    with opened(settings.host, settings.port, settings.probe_port, names) as (listening, probing):
        return serve(gateway, listening, probing)
