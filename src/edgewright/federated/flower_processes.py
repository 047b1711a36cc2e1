"""Run a construction as real processes on this machine, with SuperLink and SuperNodes.

Each SuperNode hosts some of the edge servers; Flower starts a process for every message to a
client and one for the server. They speak over loopback, without TLS.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from edgewright.core.errors import InputError
from edgewright.core.files import write_bytes
from edgewright.federated.aggregation import Round
from edgewright.federated.flower_server import load_rounds, save_work
from edgewright.federated.rounds import OnRound, Work
from edgewright.federated.secure_sums import check_groups
from edgewright.federated.settings import Settings

SECONDS_FOR_A_ROUND = 120.0
SECONDS_TO_START = 60.0
SECONDS_TO_STOP = 10.0
SECONDS_BETWEEN_LOOKS = 0.2

APP = """\
[project]
name = "edgewright-federate"
version = "1.0.0"
description = "An agent built by edge servers under a contract"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "edgewright"

[tool.flwr.app.components]
serverapp = "courier.server:app"
clientapp = "courier.client:app"

[tool.flwr.app.config]
work = {work}
result = {result}
"""
"""The pyproject.toml of the app that Flower runs; its two modules import those of this package."""

CONNECTION = """\
[superlink]
default = "here"

[superlink.here]
address = "127.0.0.1:{port}"
insecure = true
"""


def run_processes(work: Work, on_round: OnRound, nodes: int = 2) -> list[Round]:
    """Run all rounds with ``nodes`` client processes and one server process.

    Raises:
        InputError: Flower's commands are missing, or a process ended too early.
    """
    if not 1 <= nodes <= work.settings.servers:
        message = f"`--workers` must be from 1 to {work.settings.servers}, the servers; got {nodes}"
        raise InputError(message, where="--workers", hint="ask for fewer client processes")
    if work.settings.aggregation == "secure":
        check_secure_nodes(work.settings, nodes)
        check_groups(work)
    on_round("start processes")
    with tempfile.TemporaryDirectory(prefix="edgewright-flower-") as name:
        folder = Path(name)
        result, port = folder / "rounds.npz", free_port()
        save_work(folder / "work.json", work)
        app = _write_app(folder, result, port)
        with _running(_commands(work, nodes, port), folder) as processes:
            _wait_for_port(port, processes, folder)
            _call(_command("flwr", "run", str(app), "here"), folder)
            on_round("run rounds")
            limit = SECONDS_TO_START + SECONDS_FOR_A_ROUND * len(work.rounds)
            _wait_for_file(result, processes, folder, limit)
        return load_rounds(result)


def check_secure_nodes(settings: Settings, nodes: int) -> None:
    """Check that every server has a client process of its own, which masks for it alone.

    Raises:
        InputError: there are fewer client processes than servers.
    """
    if nodes != settings.servers:
        message = f"`--workers` must be {settings.servers}, one for each server, with "
        message += f"aggregation=secure; got {nodes}"
        hint = f"e.g. --workers {settings.servers}, or fewer servers: --setting servers=3"
        raise InputError(message, where="--workers", hint=hint)


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _write_app(folder: Path, result: Path, port: int) -> Path:
    """Write the app that Flower runs and the connection to the SuperLink."""
    quoted = {"work": _quoted(folder / "work.json"), "result": _quoted(result)}
    files = {
        "app/pyproject.toml": APP.format(**quoted),
        "app/courier/__init__.py": "",
        "app/courier/server.py": _imported("flower_server", "server_app"),
        "app/courier/client.py": _imported("flower_client", "client_app"),
        "home/config.toml": CONNECTION.format(port=port),
    }
    for name, text in files.items():
        write_bytes(folder / name, text.encode())
    return folder / "app"


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _imported(module: str, name: str) -> str:
    return f"from edgewright.federated.{module} import {name} as app\n\n__all__ = ['app']\n"


def _commands(work: Work, nodes: int, port: int) -> list[list[str]]:
    """Return the commands of the SuperLink and of all SuperNodes."""
    start = ["--insecure", "--disable-runtime-dependency-installation", "--port", str(port)]
    secure = work.settings.aggregation == "secure"
    commands = [_command("flower-superlink", *start)]
    for node in range(nodes):
        servers = "-".join(str(one) for one in range(node, work.settings.servers, nodes))
        options = ["--insecure", "--superlink", f"127.0.0.1:{port}", "--port", str(free_port())]
        config = f'servers="{servers}"' + (" secure=true" if secure else "")
        commands.append(_command("flower-supernode", *options, "--node-config", config))
    return commands


MAINS = {
    "flwr": "flwr.cli.app:app",
    "flower-superlink": "flwr.superlink.cli:flower_superlink",
    "flower-supernode": "flwr.supernode.cli:flower_supernode",
}
"""Where the entry points of Flower's commands are; this Python runs them, wherever scripts lie."""


def _command(name: str, *arguments: str) -> list[str]:
    module, function = MAINS[name].split(":")
    code = f"import sys; sys.argv[0] = {name!r}; from {module} import {function} as f; f()"
    return [sys.executable, "-c", code, *arguments]


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of all processes: their own home, no telemetry, our modules."""
    path = os.pathsep.join(one for one in sys.path if one)
    home = str(folder / "home")
    scripts = os.pathsep.join([str(_scripts()), os.environ.get("PATH", os.defpath)])
    fixed = {"FLWR_HOME": home, "FLWR_TELEMETRY_ENABLED": "0", "PYTHONPATH": path, "PATH": scripts}
    return {**os.environ, **fixed}


def _scripts() -> Path:
    """Return the folder of Flower's own commands, which it starts others by."""
    import flwr  # pyright: ignore[reportMissingImports]

    beside = Path(str(flwr.__file__)).parents[1] / "bin"
    return beside if beside.is_dir() else Path(sys.executable).parent


@contextlib.contextmanager
def _running(commands: list[list[str]], folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start processes, each with a log of its own, and end all of them."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number, command in enumerate(commands):
            with open(folder / f"process-{number}.log", "wb") as log:
                one = subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    env=_environment(folder),
                    start_new_session=True,
                )
            started.append(one)
        yield started
    finally:
        for one in reversed(started):
            _end(one)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started, which are in its own group."""
    import signal

    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_STOP)


def _wait_for_port(port: int, processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        _check_alive(processes, folder)
        if time.monotonic() > until:
            raise _failed("the SuperLink does not listen", folder)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _wait_for_file(
    path: Path, processes: list[subprocess.Popen[bytes]], folder: Path, limit: float
) -> None:
    until = time.monotonic() + limit
    while not path.exists():
        _check_alive(processes, folder)
        log = (folder / "process-0.log").read_text(errors="replace")
        if "ServerApp raised an exception" in log or time.monotonic() > until:
            raise _failed("the server process wrote no result", folder)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _check_alive(processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    for number, one in enumerate(processes):
        if one.poll() is not None:
            raise _failed(f"process {number} ended with {one.returncode}", folder, number)


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, env=_environment(folder), capture_output=True, timeout=SECONDS_TO_START
    )
    if done.returncode:
        text = (done.stdout + done.stderr).decode(errors="replace")
        message = f"the run could not be submitted: {text.strip()[-500:]}"
        raise InputError(message, where="flwr run", hint="is flwr 1.42 or later installed?")


def _failed(what: str, folder: Path, number: int = 0) -> InputError:
    log = (folder / f"process-{number}.log").read_text(errors="replace").strip()[-800:]
    return InputError(f"{what}; its log ends with: {log}", where="processes", hint="run it again")


__all__ = ["free_port", "run_processes"]
