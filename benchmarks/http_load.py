"""What deciding costs over HTTP: the service beside endpoints that decide nothing.

    python benchmarks/http_load.py [--bundle p.edge] [--connections 16] [--seconds 3] [--rounds 5]

On loopback, each server in a process of its own with the same uvicorn, uvloop, httptools and
settings: ``edgewright serve`` without and with ``--log``, and two bare endpoints that answer JSON
of the same size, see ``bare_endpoint.py``. One server after the other is loaded by
``load_generator.py``, in turns over several rounds. The ratio is taken of the median rate over the
rounds; the processor time of the server for one request is reported too, because a busy machine
disturbs it less.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    EDGEWRIGHT,
    bundle_file,
    cpu_s,
    observations,
    quantiles,
    request_bytes,
    started,
    table,
)

from edgewright.bundle import load

HERE = Path(__file__).parent
PATH = "/v1/decide"
BARE, RAW = "bare starlette", "bare raw ASGI"
PLAIN, LOGGED = "edgewright serve", "edgewright serve --log"
GOAL = 0.7


def answer_of(url: str, content: Any) -> bytes:
    """Return what a service answers."""
    kind = {"Content-Type": "application/json"}
    asked = urllib.request.Request(url + PATH, json.dumps(content).encode(), kind)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.read()


def drive(url: str, request: Path, connections: int, seconds: float) -> dict[str, Any]:
    """Load a server once."""
    command = [
        sys.executable,
        str(HERE / "load_generator.py"),
        url.removeprefix("http://"),
        str(request),
        "--connections",
        str(connections),
        "--seconds",
        str(seconds),
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(bundle: Path, connections: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Return what was measured by server."""
    content = {"observation": observations(load(bundle).interface, 1)[0]}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        request, constant = folder / "request", folder / "answer.json"
        request.write_bytes(request_bytes(PATH, content))
        serve = [*EDGEWRIGHT, "serve", str(bundle), "--port", "0"]
        servers = {
            PLAIN: stack.enter_context(started(serve)),
            LOGGED: stack.enter_context(started([*serve, "--log", str(folder / "log.db")])),
        }
        constant.write_bytes(answer_of(servers[PLAIN][1], content))
        bare = [sys.executable, str(HERE / "bare_endpoint.py"), "--answer", str(constant)]
        servers[RAW] = stack.enter_context(started([*bare, "raw"]))
        servers[BARE] = stack.enter_context(started([*bare, "starlette"]))
        for _, url in servers.values():
            drive(url, request, connections, 1.0)  # to warm up
        rates: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
        names = [*servers]
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                process, url = servers[name]
                before = cpu_s(process.pid)
                found = drive(url, request, connections, seconds)
                found["cpu_us"] = 1e6 * (cpu_s(process.pid) - before) / found["requests"]
                rates[name].append(found)
    return {name: summary(found) for name, found in rates.items()}


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    rates = [found["requests"] / found["seconds"] for found in rounds]
    return {
        "requests_per_s": round(statistics.median(rates)),
        "lowest": round(min(rates)),
        "highest": round(max(rates)),
        "us": quantiles(np.concatenate([found["all_us"] for found in rounds])),
        "server_cpu_us": round(statistics.median(found["cpu_us"] for found in rounds), 1),
        "client_busy": round(statistics.median(found["client_cpu_share"] for found in rounds), 2),
        "failed": sum(found["failed"] for found in rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", help="a bundle; one is trained for a moment if not given")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with bundle_file(given.bundle) as file:
        found = compare(file, given.connections, given.seconds, given.rounds)
    rate = {name: facts["requests_per_s"] for name, facts in found.items()}
    ratios = {
        f"{ours} / {bare}": round(rate[ours] / rate[bare], 3)
        for ours in (PLAIN, LOGGED)
        for bare in (RAW, BARE)
    }
    goal = {f"{n} at least {GOAL}": v >= GOAL for n, v in ratios.items()}
    print(json.dumps({"connections": given.connections, **found, "ratios": ratios, "goal": goal}))
    rows = [{"server": name, **row.pop("us"), **row} for name, row in found.items()]
    print(table(rows))
    print(table([{"ratio": name, "of requests per s": value} for name, value in ratios.items()]))


if __name__ == "__main__":
    main()
