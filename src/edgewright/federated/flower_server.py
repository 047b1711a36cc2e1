"""Run the rounds of a construction as Flower's ``ServerApp``, in a process of its own.

Two files in the run's configuration say what to do and where the result goes, so the driver and
this process need one file system between them. Data of clients never pass through it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import RecordDict  # pyright: ignore[reportMissingImports]
from flwr.serverapp import ServerApp  # pyright: ignore[reportMissingImports]

from edgewright.core.errors import InputError
from edgewright.core.sealed import load_arrays, read_json, save_arrays, write_json
from edgewright.federated.aggregation import Round
from edgewright.federated.flower_client import CONFIG
from edgewright.federated.flower_strategy import run_strategy
from edgewright.federated.rounds import Task, Work
from edgewright.federated.settings import Settings

SECONDS_FOR_NODES = 120.0
"""How long the server waits until every server that works is hosted by a node."""
SECONDS_BETWEEN_QUERIES = 1.0

server_app = ServerApp()


@server_app.main()
def main(grid: Any, context: Any) -> None:
    """Wait for the nodes, run all rounds, and write every model."""
    work = load_work(Path(str(context.run_config["work"])))
    rounds = run_strategy(work, grid, hosts(work, grid), lambda name: None)
    save_rounds(Path(str(context.run_config["result"])), rounds)


def hosts(work: Work, grid: Any) -> dict[int, int]:
    """Return the node that hosts each server that works, as nodes answer themselves.

    Raises:
        InputError: after :data:`SECONDS_FOR_NODES` a server is hosted by nobody.
    """
    needed = {server for tasks in work.rounds for server in tasks}
    until = time.monotonic() + SECONDS_FOR_NODES
    result: dict[int, int] = {}
    asked: set[int] = set()
    while not needed <= set(result):
        fresh = [node for node in grid.get_node_ids() if node not in asked]
        queries = [
            grid.create_message(
                content=RecordDict(), message_type="query", dst_node_id=node, group_id="hosts"
            )
            for node in fresh
        ]
        for reply in grid.send_and_receive(queries, timeout=SECONDS_FOR_NODES) if queries else []:
            if not reply.has_error():
                node = reply.metadata.src_node_id
                names = str(reply.content[CONFIG]["servers"]).split("-")
                result |= {int(name): node for name in names if name.isdecimal()}
        asked |= set(fresh)
        if time.monotonic() > until:
            message = f"the servers {sorted(needed - set(result))} must be hosted by nodes"
            raise InputError(message, where="nodes", hint="start a SuperNode that names them")
        if not fresh:
            time.sleep(SECONDS_BETWEEN_QUERIES)
    return result


def save_work(path: Path, work: Work) -> None:
    """Write work as a JSON file with its hash."""
    rounds = [
        [[task.server, task.number, list(task.modules), task.first, task.count]
         for task in tasks.values()] for tasks in work.rounds
    ]  # fmt: skip
    faults = {str(server): name for server, name in work.faults.items()}
    content = {"seed": work.seed, "settings": work.settings.facts(), "faults": faults}
    write_json(path, {**content, "rounds": rounds, "missing": work.missing})


def load_work(path: Path) -> Work:
    """Return what :func:`save_work` wrote."""
    content = read_json(path, "work")
    rounds = []
    for rows in content["rounds"]:
        tasks = [Task(server, n, tuple(names), at, size) for server, n, names, at, size in rows]
        rounds.append({task.server: task for task in tasks})
    faults = {int(server): name for server, name in content["faults"].items()}
    settings = Settings(**content["settings"])
    return Work(settings, content["seed"], tuple(rounds), faults, content["missing"])


def save_rounds(path: Path, rounds: list[Round]) -> None:
    """Write the models of all rounds, and who was set aside, as one file with its hash."""
    arrays = {f"{n}:{name}": a for n, one in enumerate(rounds) for name, a in one.model.items()}
    facts = [
        {
            "used": list(one.used),
            "set_aside": {str(server): why for server, why in one.set_aside.items()},
            "clipped": list(one.clipped),
            "traffic": one.traffic,
        }
        for one in rounds
    ]
    save_arrays(path, arrays, {"rounds": json.dumps(facts)})


def load_rounds(path: Path) -> list[Round]:
    """Return what :func:`save_rounds` wrote."""
    arrays, note = load_arrays(path, "construction")
    models: dict[int, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        number, name = key.split(":", 1)
        models.setdefault(int(number), {})[name] = array
    return [
        Round(
            model=models[number],
            used=tuple(facts["used"]),
            set_aside={int(server): why for server, why in facts["set_aside"].items()},
            clipped=tuple(facts["clipped"]),
            traffic=facts["traffic"],
        )
        for number, facts in enumerate(json.loads(note["rounds"]))
    ]


__all__ = ["hosts", "load_rounds", "load_work", "save_rounds", "save_work", "server_app"]
