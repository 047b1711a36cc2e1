"""Run a link until it is stopped, and let its rates begin again when a line asks for it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from edgewright.core.errors import InputError
from edgewright.testbed.link import Link, Ports
from edgewright.testbed.rate import Rate

RESTART = "restart"
"""The line on standard input after which the rates begin again."""


@dataclasses.dataclass(frozen=True)
class LinkSettings:
    """Settings of a link.

    Attributes:
        up, down: bandwidth towards the servers and back.
        delay_s: constant delay of each direction.
        ports: where it listens, and where each connection is led to.
    """

    up: Rate
    down: Rate
    delay_s: float
    ports: Sequence[Ports]


def run(settings: LinkSettings, on_line: Callable[[dict[str, Any]], None]) -> None:
    """Lead connections until SIGTERM or SIGINT.

    Args:
        on_line: called with ``listening`` (addresses) and ``epoch_s`` when all ports are open, and
            with ``epoch_s`` whenever the rates begin again: a time of the monotonic clock.

    Raises:
        InputError: a port cannot be opened.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(settings, on_line))


async def _run(settings: LinkSettings, on_line: Callable[[dict[str, Any]], None]) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    link = Link(settings.up, settings.down, settings.delay_s)
    try:
        addresses = [await _opened(link, ports) for ports in settings.ports]
        on_line({"listening": addresses, "epoch_s": link.restart()})
        lines = asyncio.ensure_future(_lines(link, on_line))
        await stopped.wait()
        lines.cancel()
    finally:
        await link.close()


async def _opened(link: Link, ports: Ports) -> str:
    try:
        host, port = await link.open(ports)
    except OSError as error:
        host, port = ports.listen
        message = f"`listen` must be a free address; got {host}:{port}: {error.strerror}"
        raise InputError(message, where="--lead", hint="name another port, or 0") from None
    return f"{host}:{port}"


async def _lines(link: Link, on_line: Callable[[dict[str, Any]], None]) -> None:
    """Read standard input, where it is a pipe, and begin again when a line asks for it."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    try:
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    except (OSError, ValueError):  # a file, or closed: nobody asks
        return
    while line := await reader.readline():
        if line.decode("utf-8", "replace").strip() == RESTART:
            on_line({"epoch_s": link.restart()})
