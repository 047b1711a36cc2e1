"""Run a command in worker processes that share its socket."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

PROGRAM = [sys.executable, "-m", "edgewright.cli.main"]


def given_again(ctx: click.Context, **changes: Any) -> list[str]:
    """Return the command line of a command with some options changed; None leaves one out."""
    name = ctx.info_name or ""
    words = [*PROGRAM, name]
    for parameter in ctx.command.params:
        value = changes.get(parameter.name or "", ctx.params.get(parameter.name or ""))
        if isinstance(parameter, click.Argument):
            words.append(str(value))
        elif value is True:
            words.append(parameter.opts[-1])
        elif value not in (None, False):
            words += [parameter.opts[-1], str(value)]
    return words


def supervise(
    commands: Sequence[Sequence[str]],
    check: Sequence[str],
    address: tuple[str, int, int | None],
    options: tuple[str, str],
    emit: Callable[[str], None],
    stop_s: float,
) -> int:
    """Run one worker for each command on one socket; return the highest exit code.

    Args:
        check: a command whose exit code says whether an upgrade may begin.
        address: host, port and the first port of probes; each worker has one of its own.
        options: where an error says that the ports are from.
        stop_s: seconds that a worker may take to stop in an upgrade.

    Raises:
        InputError: an address cannot be had, or one socket of probes is for several workers.
    """
    from edgewright.core.errors import InputError
    from edgewright.serve.sockets import HTTP, PROBES, address_of, bound_socket, handed
    from edgewright.serve.supervisor import Supervisor, Worker

    host, port, probe_port = address
    with contextlib.ExitStack() as stack:
        given = {name: stack.enter_context(one) for name, one in handed(os.environ).items()}
        if PROBES in given and len(commands) > 1:
            message = f"holds one socket of probes, and {len(commands)} workers need one each"
            hint = "leave that socket out of the unit, and give --probe-port"
            raise InputError(message, where="LISTEN_FDS", hint=hint)
        listening = given.get(HTTP) or stack.enter_context(bound_socket(host, port, options[0]))
        workers = []
        for number, command in enumerate(commands):
            sockets = {HTTP: listening}
            if PROBES in given:
                sockets[PROBES] = given[PROBES]
            elif probe_port is not None:
                one = bound_socket(host, probe_port and probe_port + number, options[1])
                sockets[PROBES] = stack.enter_context(one)
            workers.append(Worker(command, sockets))
        title = f"{len(workers)} workers on {address_of(listening)}"
        return Supervisor(workers, check, emit, stop_s).run(title)
