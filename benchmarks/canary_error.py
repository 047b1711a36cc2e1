"""Print how often the canary's sequential test is wrong, and after how many outcomes it ends.

    python benchmarks/canary_error.py --trials 2000 --outcomes 20000

Rewards of both arms are independent; that of the canary is shifted, in deviations of a reward. The
test looks after every outcome. A promotion of an equal or worse canary is false, and so is the
withdrawal of an equal or better one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgewright.serve.canary import PROMOTED, WITHDRAWN, Canary, CanaryTest

Draw = Callable[[np.random.Generator, int], np.ndarray]


def lognormal(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return ``[count]`` rewards with a tail of losses, of mean 0 and deviation 1."""
    scale = np.sqrt((np.e - 1.0) * np.e)
    return np.asarray((np.exp(0.5) - np.exp(rng.normal(size=count))) / scale)


LAWS: dict[str, Draw] = {
    "normal": lambda rng, count: rng.normal(size=count),
    "lognormal losses": lognormal,
}


def ended(
    rng: np.random.Generator, draw: Draw, shift: float, given: argparse.Namespace
) -> tuple[str, int]:
    """Return the result of one comparison, "" if it is open, and after how many outcomes.

    Args:
        shift: added to the rewards of the canary, in deviations of a reward.
        given: the share, the error and the outcomes of the comparison.
    """
    test = CanaryTest(Path("new.edge"), share=given.share, error=given.error)
    canary = Canary(None, test)  # type: ignore[arg-type]
    rewards = draw(rng, given.outcomes).tolist()
    by_canary = (rng.random(given.outcomes) < given.share).tolist()
    for number, (reward, ours) in enumerate(zip(rewards, by_canary, strict=True), 1):
        canary.decided("request", ours)
        if result := canary.reported("request", reward + shift * ours):
            return result, number
    return "", given.outcomes


def main() -> None:
    """Run the comparison many times for each law and shift, and count the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--outcomes", type=int, default=5000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--error", type=float, default=0.05)
    parser.add_argument("--shifts", type=float, nargs="+", default=[0.0, 0.2, -0.2, 0.5, -0.5])
    given = parser.parse_args()
    rng, begun, rows = np.random.default_rng(23), time.perf_counter(), []
    for law, draw in LAWS.items():
        for shift in given.shifts:
            each = [ended(rng, draw, shift, given) for _ in range(given.trials)]
            results = [result for result, _ in each]
            clear = [count for result, count in each if result]
            promoted, withdrawn = (
                sum(one == wanted for one in results) / given.trials
                for wanted in (PROMOTED, WITHDRAWN)
            )
            rows.append(
                {
                    "rewards": law,
                    "shift": shift,
                    "promoted": promoted,
                    "withdrawn": withdrawn,
                    "false": (promoted if shift <= 0 else 0) + (withdrawn if shift >= 0 else 0),
                    "median_outcomes": float(np.median(clear)) if clear else None,
                }
            )
    seconds = round(time.perf_counter() - begun, 1)
    print(json.dumps({**vars(given), "seconds": seconds, "results": rows}, indent=2))


if __name__ == "__main__":
    main()
