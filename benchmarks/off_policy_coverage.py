"""Print how often 95 % intervals of off-policy estimates cover the true value of a toy.

    python benchmarks/off_policy_coverage.py --repetitions 4000 --decisions 400

The toy is the contextual bandit of tests/update/toy.py, whose rewards are linear in the state.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from pathlib import Path

import numpy as np

from edgewright.update.estimates import METHODS, estimate

TOY = Path(__file__).parents[1] / "tests" / "update" / "toy.py"


def main() -> None:
    """Estimate the greedy policy from many logs and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--decisions", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=1000)
    given = parser.parse_args()
    spec = importlib.util.spec_from_file_location("toy", TOY)
    assert spec is not None
    assert spec.loader is not None
    toy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toy)
    truth = toy.true_value(toy.greedy_law)
    rng, begun = np.random.default_rng(17), time.perf_counter()
    values = []
    for _ in range(given.repetitions):
        logged, states = toy.log(rng, given.decisions)
        values.append(estimate(logged, toy.greedy_law(states), resamples=given.resamples))
    result = {"true_value": truth, "seconds": round(time.perf_counter() - begun, 1)}
    for method in METHODS:
        intervals = [value.methods[method] for value in values]
        estimates = np.array([one.estimate for one in intervals])
        result[method] = {
            "coverage": float(np.mean([one.low <= truth <= one.high for one in intervals])),
            "bias": float(estimates.mean() - truth),
            "deviation": float(estimates.std()),
        }
    print(json.dumps({**vars(given), **result}, indent=2))


if __name__ == "__main__":
    main()
