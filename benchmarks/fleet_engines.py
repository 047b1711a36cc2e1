"""What an exchanged update costs on each engine, and how it grows with the processes.

    python benchmarks/fleet_engines.py --modes federated,synchronous --workers 1,2,4,8

Every row trains the same fleet for the same updates, after as many that compile. `exchange_ms` is
what an update takes beyond the one of the engine `local`, divided by the exchanges of a device in
it. `efficiency` is the speed-up over one worker divided by the workers. `play_ms`, `workers_ms` and
`server_ms` are what the command waits for in an update. The last row of a mode is an estimate on
paper for 1000 devices. It takes all three parts of one worker as proportional to the devices. Only
`workers_ms` is divided by the workers: the command itself plays the world and adds the changes.
`most_speedup` is what no number of workers exceeds (Amdahl, AFIPS 1967), and `workers_to_halve` is
null where that is below 2.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import jax

from edgewright.cluster.crew import Crew
from edgewright.cluster.engine import RayEngine
from edgewright.core.machine import cores
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.training.runs import trainer_of

MANY = 1000
"""Devices of the estimate."""


def measured(
    trainer: Any, updates: int, crew: Crew | None = None
) -> tuple[float, float, dict[str, float]]:
    """Return seconds of an update, exchanges of a device in it, and ms by part of the crew."""
    training = trainer.init_training(jax.random.key(0))
    program = trainer.program(training, updates)
    training, _ = jax.block_until_ready(program(training, updates))
    before = dict(crew.seconds) if crew else {}
    begun = time.perf_counter()
    training, logs = jax.block_until_ready(program(training, updates))
    seconds = (time.perf_counter() - begun) / updates
    after = crew.seconds if crew else {}
    parts = {f"{name}_ms": 1e3 * (after[name] - before[name]) / updates for name in before}
    return seconds, float(logs["exchanges"][:updates].mean()), parts


def rows_of(mode: str, workers: list[int], updates: int, overrides: dict[str, Any]) -> list[Any]:
    """Return the rows of a mode: `local` first, then one worker."""
    scenario = load("aigc-fleet", {**overrides, "learner.mode": mode})
    problem = build(scenario)
    trainer = trainer_of(scenario, problem, build_learner("dqn-fleet", scenario, problem, 1e5))
    local_s, exchanges, _ = measured(trainer, updates)
    rows = [{"mode": mode, "engine": "local", "update_ms": 1e3 * local_s, "exchanges": exchanges}]
    for count in workers:
        engine = RayEngine(count)
        with engine.running(trainer) as there:
            seconds, _, parts = measured(there, updates, engine.crew)
        beyond = 1e3 * (seconds - local_s) / max(exchanges, 1.0)
        rows.append(
            {
                "mode": mode,
                "engine": "ray",
                "workers": count,
                "update_ms": 1e3 * seconds,
                "exchanges": exchanges,
                "exchange_ms": beyond,
                **parts,
            }
        )
    for row in rows[1:]:
        row["efficiency"] = rows[1]["update_ms"] / row["update_ms"] / row["workers"]
    return rows


def estimate(one: dict[str, Any], devices: int) -> dict[str, Any]:
    """Return what 1000 devices would take, on paper.

    Args:
        one: the row of a mode with 1 worker.
        devices: devices of that row.
    """
    serial, shared = (
        sum(one[f"{part}_ms"] for part in parts) * MANY / devices
        for parts in (("play", "server"), ("workers",))
    )
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
    }


def main() -> None:
    """Print all rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modes", default="federated,synchronous")
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--devices", type=int, default=16)
    asked = parser.parse_args()
    small = {} if asked.devices == 16 else {"world.devices": asked.devices}
    overrides = {"learner.buffer_size": 2000, **small}
    workers = [int(count) for count in asked.workers.split(",")]
    if workers[0] != 1:
        parser.error(f"--workers must begin with 1, e.g. 1,2; got {asked.workers}")
    for mode in asked.modes.split(","):
        rows = rows_of(mode, workers, asked.updates, overrides)
        for row in [*rows, estimate(rows[1], asked.devices)]:
            print(json.dumps({**row, "cores": cores()}), flush=True)


if __name__ == "__main__":
    main()
