"""What an exchanged update costs on each engine, and how it grows with the processes.

    python benchmarks/fleet_engines.py --modes federated,synchronous --workers 1,2,4,8
    python benchmarks/fleet_engines.py --set learner.hidden_sizes=[256,256]   # a heavier load

Every row trains the same fleet for the same updates, after as many that compile. `exchange_ms` is
what an update takes beyond the one of the engine `local`, divided by the exchanges of a device in
it. `efficiency` is the speed-up over one worker divided by the workers. `play_ms`, `workers_ms` and
`server_ms` are what the command waits for in an update, `other_ms` is the rest: packing and
unpacking what travels. `recovery_s` is the time from the SIGKILL of a worker to its answer.

The last row of a mode is an estimate on paper for 1000 devices with the load of the other rows. It
takes all parts of one worker as proportional to the devices. Only `workers_ms` is divided by the
workers: the command itself does the rest, snapshots aside, which it takes once in many updates.
`most_speedup` is what no number of workers exceeds (Amdahl, AFIPS 1967), and `workers_to_halve` is
null where that is below 2. `snapshot_mb` is what the command holds to replace a worker.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from edgewright.cluster.crew import Crew
from edgewright.cluster.engine import RayEngine
from edgewright.cluster.plain import plain
from edgewright.core.machine import cores
from edgewright.core.text import parse_override
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.training.runs import trainer_of

MANY = 1000
"""Devices of the estimate."""

DEVICES = 16
"""Devices of `aigc-fleet`."""

SERIAL = ("play", "server", "other")
"""Parts of an update that the command does itself."""


def trainer_with(mode: str, overrides: dict[str, Any]) -> Any:
    """Return the trainer of the fleet of `aigc-fleet` in a mode."""
    scenario = load("aigc-fleet", {**overrides, "learner.mode": mode})
    problem = build(scenario)
    return trainer_of(scenario, problem, build_learner("dqn-fleet", scenario, problem, 1e5))


def measured(trainer: Any, updates: int, crew: Crew | None = None) -> dict[str, Any]:
    """Return ms of an update, exchanges of a device in it, and ms by part of the crew."""
    training = trainer.init_training(jax.random.key(0))
    program = trainer.program(training, updates)
    training, _ = jax.block_until_ready(program(training, updates))
    before = dict(crew.seconds) if crew else {}
    begun = time.perf_counter()
    training, logs = jax.block_until_ready(program(training, updates))
    total = 1e3 * (time.perf_counter() - begun) / updates
    row = {"update_ms": total, "exchanges": float(logs["exchanges"][:updates].mean())}
    if crew is None:
        return row
    parts = {n: 1e3 * (crew.seconds[n] - before[n]) / updates for n in before}
    parts["other"] = total - sum(parts.values())
    row |= {f"{name}_ms": value for name, value in parts.items()}
    sizes = [np.asarray(getattr(leaf, "words", leaf)).nbytes
             for leaf in jax.tree.leaves(plain(training.learner.devices))]  # fmt: skip
    row["snapshot_mb"] = sum(sizes) / 1e6
    if crew.count > 1:
        os.kill(crew.pids[1], signal.SIGKILL)
        program(training, 1)
        row["recovery_s"] = crew.recoveries_s[-1]
    return row


def on_ray(trainer: Any, workers: int, updates: int) -> dict[str, Any]:
    """Return the row of a number of workers."""
    engine = RayEngine(workers)
    with engine.running(trainer) as there:
        return measured(there, updates, engine.crew)


def rows_of(
    mode: str, workers: list[int], updates: int, overrides: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a mode: `local` first, then one worker, and the estimate."""
    trainer = trainer_with(mode, overrides)
    local = {"mode": mode, "engine": "local", **measured(trainer, updates)}
    yield local
    one: dict[str, Any] = {}
    for count in workers:
        row = {"mode": mode, "engine": "ray", "workers": count, **on_ray(trainer, count, updates)}
        one = one or row
        beyond = row["update_ms"] - local["update_ms"]
        row["exchange_ms"] = beyond / max(row["exchanges"], 1.0)
        row["efficiency"] = one["update_ms"] / row["update_ms"] / count
        yield row
    yield estimate(one)


def estimate(one: dict[str, Any]) -> dict[str, Any]:
    """Return what 1000 devices would take, on paper, from the row of 1 worker."""
    part = {n: one[f"{n}_ms"] * MANY / DEVICES for n in ("workers", *SERIAL)}
    serial, shared = sum(part[name] for name in SERIAL), part["workers"]
    halved = (serial + shared) / 2.0
    workers = next((n for n in range(1, MANY + 1) if serial + shared / n <= halved), None)
    return {
        "mode": one["mode"],
        "devices": MANY,
        "serial_ms": serial,
        "shared_ms": shared,
        "update_ms_one_worker": serial + shared,
        "most_speedup": 1.0 + shared / serial,
        "workers_to_halve": workers,
        "snapshot_mb": one["snapshot_mb"] * MANY / DEVICES,
    }


def main() -> None:
    """Print all rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modes", default="federated,synchronous")
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    overrides = dict(parse_override(text) for text in asked.set)
    workers = [int(count) for count in asked.workers.split(",")]
    if workers[0] != 1:
        parser.error(f"--workers must begin with 1, e.g. 1,2; got {asked.workers}")
    for mode in asked.modes.split(","):
        for row in rows_of(mode, workers, asked.updates, overrides):
            print(json.dumps({**row, "cores": cores()}), flush=True)


if __name__ == "__main__":
    main()
