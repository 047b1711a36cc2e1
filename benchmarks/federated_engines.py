"""What an update of an edge server costs on each engine of `federate`, plain and in secret.

    python benchmarks/federated_engines.py --processes 2,4,8      # in .venv-federated

Every row is one round of servers with equal work. `arithmetic_ms` is what training and packing one
upload take in this process. `update_ms` is the time of the round divided by the uploads, and
`bytes_up` and `bytes_down` are what Flower's messages hold for each upload. `start_s` is the time
that processes take beyond the round.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from edgewright.core.machine import cores
from edgewright.federated.flower_processes import run_processes
from edgewright.federated.flower_strategy import run_flower
from edgewright.federated.modules import init_model
from edgewright.federated.rounds import Work, client_update, run_local, work_of
from edgewright.federated.settings import Settings

SAMPLES = 20


def quiet(name: str) -> None:
    """Report nothing."""


def work(servers: int, aggregation: Any) -> Work:
    """Return one round in which every server trains on the same number of samples."""
    settings = Settings(servers=servers, rounds=1, aggregation=aggregation)
    return work_of(settings, 0, np.array([[SAMPLES, 0]] * servers), {})


def arithmetic_ms(servers: int) -> float:
    """Return the mean time of one server's update."""
    some = work(servers, "mean")
    tasks = some.rounds[0].values()
    begun = time.perf_counter()
    for task in tasks:
        client_update(some.settings, 0, init_model(), task, "")
    return 1e3 * (time.perf_counter() - begun) / servers


def row_of(engine: str, servers: int, aggregation: Any) -> dict[str, Any]:
    """Return the row of an engine; client processes are as many as servers."""
    some = work(servers, aggregation)
    runs = {"local": run_local, "flower": run_flower,
            "processes": lambda *given: run_processes(*given, nodes=servers)}  # fmt: skip
    begun = time.perf_counter()
    results = runs[engine](some, quiet)
    took = time.perf_counter() - begun
    assert len(results[0].used) == servers, results[0].set_aside
    counted = results[0].traffic or {"seconds": took}
    return {
        "engine": engine,
        "aggregation": aggregation,
        "servers": servers,
        "arithmetic_ms": arithmetic_ms(servers),
        "update_ms": 1e3 * counted["seconds"] / servers,
        "messages": counted.get("messages", 0) / servers,
        "bytes_up": counted.get("uplink_bytes", 0) / servers,
        "bytes_down": counted.get("downlink_bytes", 0) / servers,
        "start_s": took - counted["seconds"],
        "cores": cores(),
    }


def main() -> None:
    """Print all rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", default="2,4,8")
    parser.add_argument("--secure-processes", default="4")
    asked = parser.parse_args()
    counts = [int(one) for one in asked.processes.split(",") if one]
    arithmetic_ms(2)  # loads the pictures
    for servers in counts:
        for engine in ("local", "flower", "processes"):
            print(json.dumps(row_of(engine, servers, "mean")), flush=True)
        if servers > 2:
            print(json.dumps(row_of("flower", servers, "secure")), flush=True)
    for servers in [int(one) for one in asked.secure_processes.split(",") if one]:
        print(json.dumps(row_of("processes", servers, "secure")), flush=True)


if __name__ == "__main__":
    main()
