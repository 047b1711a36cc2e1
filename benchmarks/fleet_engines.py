"""What an exchanged update costs on each engine, and how it grows with the processes.

    python benchmarks/fleet_engines.py --modes federated,synchronous --workers 1,2,4,8

Every row trains the same fleet for the same updates, after as many that compile. `exchange_ms` is
what an update takes beyond the one of the engine `local`, divided by the exchanges of a device in
it. `efficiency` is the speed-up over one worker divided by the workers. The last rows are an
estimate on paper for 1000 devices: the arithmetic of a device, measured with `local`, times its
devices, and the exchange of a worker, measured with the first number of workers, times the workers,
for as many workers as it takes to halve the time of one.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import jax

from edgewright.cluster.engine import RayEngine
from edgewright.core.machine import cores
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.training.runs import trainer_of

MANY = 1000
"""Devices of the estimate."""


def measured(trainer: Any, updates: int) -> tuple[float, float]:
    """Return seconds of an update, and exchanges of a device in it."""
    training = trainer.init_training(jax.random.key(0))
    program = trainer.program(training, updates)
    training, _ = jax.block_until_ready(program(training, updates))
    begun = time.perf_counter()
    training, logs = jax.block_until_ready(program(training, updates))
    return (time.perf_counter() - begun) / updates, float(logs["exchanges"][:updates].mean())


def rows_of(mode: str, workers: list[int], updates: int, overrides: dict[str, Any]) -> list[Any]:
    """Return the rows of a mode: `local` first."""
    scenario = load("aigc-fleet", {**overrides, "learner.mode": mode})
    problem = build(scenario)
    trainer = trainer_of(scenario, problem, build_learner("dqn-fleet", scenario, problem, 1e5))
    local_s, exchanges = measured(trainer, updates)
    rows = [{"mode": mode, "engine": "local", "update_ms": 1e3 * local_s, "exchanges": exchanges}]
    for count in workers:
        engine = RayEngine(count)
        with engine.running(trainer) as there:
            seconds, _ = measured(there, updates)
        beyond = 1e3 * (seconds - local_s) / max(exchanges, 1.0)
        rows.append(
            {
                "mode": mode,
                "engine": "ray",
                "workers": count,
                "update_ms": 1e3 * seconds,
                "exchanges": exchanges,
                "exchange_ms": beyond,
            }
        )
    one = next((row["update_ms"] for row in rows if row.get("workers") == 1), None)
    for row in rows[1:]:
        row["efficiency"] = one and one / row["update_ms"] / row["workers"]
    return rows


def estimate(rows: list[dict[str, Any]], devices: int) -> dict[str, Any]:
    """Return what 1000 devices would take, on paper, from the rows of a mode."""
    local, first = rows[0], rows[1]
    each = local["update_ms"] / devices
    message = max(first["exchange_ms"], 0.0) * max(first["exchanges"], 1.0) / first["workers"]
    one = MANY * each + message
    workers = next((n for n in range(1, MANY + 1) if MANY * each / n + n * message < one / 2), None)
    return {
        "mode": local["mode"],
        "devices": MANY,
        "arithmetic_ms_per_device": each,
        "message_ms_per_worker": message,
        "update_ms_one_worker": one,
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
    for mode in asked.modes.split(","):
        rows = rows_of(mode, workers, asked.updates, overrides)
        for row in [*rows, estimate(rows, asked.devices)]:
            print(json.dumps({**row, "cores": cores()}), flush=True)


if __name__ == "__main__":
    main()
