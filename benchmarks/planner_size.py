"""What a smaller search costs in score: one trained HADRL, planned with several sizes.

    python benchmarks/planner_size.py RUN --episodes 4

Every size plans with the model of the same run on the same held-out episodes; the row `published`
is the published search: 700 candidates, 70 elites, 7 iterations and 20 slots ahead.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import jax

import edgewright as ew
from edgewright.training.runs import load_run

SIZES = {
    "64 candidates, 3 iterations": (64, 8, 3, 1),
    "default: 128 candidates, 4 iterations": (128, 16, 4, 1),
    "700 candidates, 7 iterations": (700, 70, 7, 1),
    "published: 700, 7, 20 slots": (700, 70, 7, 20),
}
"""Candidates, elites, iterations and slots ahead of each size."""


def resized(policy: Any, size: tuple[int, int, int, int]) -> Any:
    """Return a policy of two time scales whose planner searches with another size."""
    candidates, elites, iterations, horizon = size
    search = dataclasses.replace(
        policy.lower.search, num_candidates=candidates, num_elites=elites, iterations=iterations
    )
    lower = dataclasses.replace(policy.lower, search=search, horizon=horizon)
    return dataclasses.replace(policy, lower=lower)


def main() -> None:
    """Compare the sizes on the episodes of the run's own scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a training of hadrl")
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=10, help="of an episode")
    parser.add_argument("--sizes", default=",".join(map(str, range(len(SIZES)))))
    asked = parser.parse_args()
    run = load_run(asked.run)
    planned, _ = run.trainer.policy_entry(run.trainings[0])
    sizes = [list(SIZES)[int(index)] for index in asked.sizes.split(",")]
    problem = ew.make(run.request.scenario.name, {"params.epochs": asked.epochs})
    policies = {name: resized(planned, SIZES[name]) for name in sizes}
    table = ew.compare(problem, policies, episodes=asked.episodes)
    rows = [
        {key: row[key] for key in ("policy", "reward", "reward_low", "reward_high") if key in row}
        for row in table.rows
    ]
    print(json.dumps({"devices": str(jax.devices()[0]), "rows": rows}, indent=1))
    print(table)


if __name__ == "__main__":
    main()
