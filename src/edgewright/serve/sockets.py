"""Open the sockets of a service, or take over those that a supervisor opened for it.

A socket that outlives the process is how a program is upgraded without a refused connection: what
arrives meanwhile waits in its queue.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from edgewright.core.errors import InputError

BACKLOG = 1024

UNIX = "unix:"
"""What the address of a socket in the file system begins with, instead of a host."""

HTTP, PROBES = "http", "probes"
FIRST = 3
"""Descriptor of the first socket that systemd hands over, sd_listen_fds(3)."""

HANDED = "EDGEWRIGHT_SOCKETS"
"""The variable by which our own supervisor hands sockets over: ``http=5,probes=6``."""


@contextlib.contextmanager
def opened(
    host: str, port: int, probe_port: int | None, options: tuple[str, str]
) -> Iterator[tuple[socket.socket, socket.socket | None]]:
    """Open the sockets of requests and of probes, or take over those that were handed to us.

    Args:
        probe_port: None for no port of their own, unless one was handed over.
        options: where an error says that the addresses are from.

    Raises:
        InputError: an address cannot be had, or what was handed over is not a socket.
    """
    with contextlib.ExitStack() as stack:
        given = {name: stack.enter_context(one) for name, one in handed(os.environ).items()}
        listening = given.get(HTTP) or stack.enter_context(bound_socket(host, port, options[0]))
        probing = given.get(PROBES)
        if probing is None and probe_port is not None:
            probing = stack.enter_context(bound_socket(host, probe_port, options[1]))
        yield listening, probing


def handed(environ: MutableMapping[str, str]) -> dict[str, socket.socket]:
    """Return the sockets that a supervisor handed over, by ``http`` and ``probes``.

    Variables that say so are removed, as they are not meant for processes that we start.

    Raises:
        InputError: one is not a socket.
    """
    numbers: dict[str, int] = {}
    where = HANDED
    if text := environ.pop(HANDED, ""):
        pairs = (one.partition("=") for one in text.split(","))
        numbers = {name: int(number) for name, _, number in pairs if number.isdecimal()}
    elif environ.get("LISTEN_PID") == str(os.getpid()):
        numbers, where = _of_systemd(environ), "LISTEN_FDS"
        for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            environ.pop(name, None)
    return {name: _socket(number, where) for name, number in numbers.items()}


def _of_systemd(environ: Mapping[str, str]) -> dict[str, int]:
    """Return the descriptors that systemd handed over; names with "probe" are of probes."""
    count = environ.get("LISTEN_FDS", "")
    if not count.isdecimal() or not 1 <= int(count) <= 2:
        message = f"must be 1 or 2 sockets, of requests and of probes; got {count!r}"
        raise InputError(message, where="LISTEN_FDS", hint="packaging/ has the units for systemd")
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    result: dict[str, int] = {}
    for index in range(int(count)):
        name = names[index] if index < len(names) else ""
        result[PROBES if "probe" in name or HTTP in result else HTTP] = FIRST + index
    return result


def _socket(number: int, where: str) -> socket.socket:
    try:
        result = socket.socket(fileno=number)
        result.getsockname()
    except OSError as error:
        message = f"descriptor {number} must be a socket: {error.strerror}"
        raise InputError(message, where=where, hint="start the program without it") from None
    os.set_inheritable(number, False)
    result.setblocking(False)
    return result


def bound_socket(host: str, port: int, option: str = "--port") -> socket.socket:
    """Return a socket that listens where a service is to answer.

    Raises:
        InputError: the address cannot be had.
    """
    if host.startswith(UNIX):
        return _unix_socket(Path(host.removeprefix(UNIX)), option)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)  # the address is said next: whoever reads it may connect
    except (OSError, OverflowError) as error:
        message = f"cannot listen on {host}:{port}: {error}"
        raise InputError(message, where=option, hint=f"choose another {option} or --host") from None
    listening.setblocking(False)
    return listening


def _unix_socket(path: Path, option: str) -> socket.socket:
    """Return a socket in the file system; one that nobody listens on any more makes way.

    Raises:
        InputError: somebody listens there, or it cannot be made.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
                if asking.connect_ex(str(path)) == 0:
                    raise OSError("somebody listens there")
            path.unlink()
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        message = f"cannot listen on {UNIX}{path}: {error}"
        hint = "choose another path, in a folder that you may write to"
        raise InputError(message, where=option, hint=hint) from None
    listening.setblocking(False)
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the address of a socket as a URL, or its path in the file system."""
    if listening.family == socket.AF_UNIX:
        return f"{UNIX}{listening.getsockname()}"
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
