"""Print how often the canary's sequential test is wrong, and after how many outcomes it ends.

    python benchmarks/canary_error.py --trials 2000 --outcomes 20000

The test looks after every outcome. A promotion of an equal or worse canary is false, and so is the
withdrawal of an equal or better one. Differences are in deviations of a reward. All trials of a row
run side by side with the code of the service.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import beta

from edgewright.serve.sequential import Bets, Known

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

RARE = 0.01
"""Share of rewards that are large losses, under the laws that have them."""


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return ``[trials, outcomes]`` independent normal rewards."""
    return rng.normal(size=shape)


def lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return ``[trials, outcomes]`` rewards with a tail of losses, of mean 0 and deviation 1."""
    return (np.exp(0.5) - np.exp(rng.normal(size=shape))) / np.sqrt((np.e - 1.0) * np.e)


def rare(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return ``[trials, outcomes]`` rewards of which 1 % are large losses; deviation 1."""
    lost = rng.random(shape) < RARE
    return (RARE - lost) / np.sqrt(RARE * (1.0 - RARE))


def blocks(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return ``[trials, outcomes]`` rewards of blocks of 50 requests that share half the variance.

    Between neighbours of a block the correlation is 0.5.
    """
    trials, outcomes = shape
    shared = np.repeat(rng.normal(size=(trials, -(-outcomes // 50))), 50, axis=1)[:, :outcomes]
    return np.sqrt(0.5) * (shared + rng.normal(size=shape))


def drifting(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return ``[trials, outcomes]`` rewards around a first-order autoregression of 0.99."""
    level, rows = rng.normal(size=shape[0]), []
    for step in rng.normal(size=shape[::-1]) * np.sqrt(1.0 - 0.99**2):
        level = 0.99 * level + step
        rows.append(level)
    return np.sqrt(0.5) * (np.stack(rows, axis=1) + rng.normal(size=shape))


LAWS: dict[str, Draw] = {
    "normal": normal,
    "lognormal losses": lognormal,
    "1 % large losses": rare,
    "blocks of 50": blocks,
    "autoregression": drifting,
}


def results_of(
    rewards: np.ndarray,
    by_canary: np.ndarray,
    given: argparse.Namespace,
    limits: list[float],
    drawn: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the result of each trial, 1 promoted and -1 withdrawn, and after how many outcomes.

    Args:
        rewards, by_canary: ``[trials, outcomes]``, in the order in which outcomes arrive.
        limits: least and largest reward; empty where the test takes the range of those before.
        drawn: ``[trials, outcomes]``, how many outcomes were there when each request was drawn;
            all before it if None.
    """
    stated = (limits[0], limits[1]) if limits else None
    bets = Bets(given.share, given.error, 0.0, stated, wide=False)
    result = np.zeros(len(rewards), int)
    ended = np.full(len(rewards), rewards.shape[1])
    columns = zip(rewards.T, by_canary.T, strict=True)
    history = np.empty((rewards.shape[1], 3, len(rewards)) if drawn is not None else 0)
    for number, (reward, ours) in enumerate(columns, 1):
        known = None
        if drawn is not None:
            now = bets.known()
            for part, value in enumerate((now.low, now.high, now.centre)):
                history[number - 1, part] = value
            then = drawn[:, number - 1]
            parts = history[then, :, np.arange(len(then))].T
            known = Known(int(then.min()), *parts)
        bets.add(reward, ours, known)
        now = np.broadcast_to(bets.clear, result.shape)
        first = (result == 0) & (now != 0)
        result[first], ended[first] = now[first], number
        if number % 100 == 0 and np.all(result):
            break
    return result, ended


def row_of(
    law: str, shift: float, result: np.ndarray, ended: np.ndarray, limits: list[float]
) -> dict[str, object]:
    """Return counts of results as shares, with the exact interval of the false ones."""
    promoted, withdrawn, trials = int(np.sum(result > 0)), int(np.sum(result < 0)), len(result)
    false = (promoted if shift <= 0 else 0) + (withdrawn if shift >= 0 else 0)
    clear = ended[result != 0]
    low = beta.ppf(0.025, false, trials - false + 1) if false else 0.0
    high = beta.ppf(0.975, false + 1, trials - false)
    return {
        "rewards": law,
        "range": limits or "of the rewards before",
        "shift": shift,
        "promoted": promoted / trials,
        "withdrawn": withdrawn / trials,
        "false": false / trials,
        "false_95": [round(float(low), 4), round(float(high), 4)],
        "median_outcomes": float(np.median(clear)) if clear.size else None,
        "p90_outcomes": float(np.quantile(clear, 0.9)) if clear.size else None,
    }


def unlike(given: argparse.Namespace, rng: np.random.Generator) -> list[dict[str, object]]:
    """Return rows for a canary of the same mean whose losses are rare and large.

    The running policy has normal rewards. The range of the second row holds all of the canary's.
    """
    shape, rows = (given.trials, given.outcomes), []
    for limits in ([], [-12.0, 5.0]):
        by_canary = (rng.random(shape) < given.share).astype(float)
        rewards = np.where(by_canary, rare(rng, shape), normal(rng, shape))
        results = results_of(rewards, by_canary, given, limits)
        rows.append(row_of("normal; the canary 1 % large losses", 0.0, *results, limits))
    return rows


def delayed(given: argparse.Namespace, rng: np.random.Generator) -> list[dict[str, object]]:
    """Return rows for equal policies where the canary's outcomes arrive many requests later."""
    trials, outcomes = given.trials, given.outcomes
    rows = []
    for law in ("normal", "autoregression"):
        by_canary = (rng.random((trials, outcomes)) < given.share).astype(float)
        rewards = LAWS[law](rng, by_canary.shape)
        at = np.arange(outcomes) + given.delay * by_canary
        order = np.argsort(at, axis=1, kind="stable")
        arrived = np.take_along_axis(at, order, axis=1)
        sent = np.take_along_axis(np.broadcast_to(np.arange(outcomes), at.shape), order, axis=1)
        drawn = np.stack([np.searchsorted(*pair) for pair in zip(arrived, sent, strict=True)])
        rewards = np.take_along_axis(rewards, order, axis=1)
        by_canary = np.take_along_axis(by_canary, order, axis=1)
        results = results_of(rewards, by_canary, given, given.rewards, drawn)
        rows.append(row_of(f"{law}; the canary's {given.delay} late", 0.0, *results, given.rewards))
    return rows


def main() -> None:
    """Run the comparison many times for each law and shift, and count the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--outcomes", type=int, default=20000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--error", type=float, default=0.05)
    parser.add_argument("--shifts", type=float, nargs="+", default=[0.0, 0.2, -0.2, 0.5, -0.5])
    parser.add_argument("--rewards", type=float, nargs=2, default=[], metavar=("LOW", "HIGH"))
    parser.add_argument("--laws", nargs="*", default=[*LAWS], choices=[*LAWS], metavar="LAW")
    parser.add_argument("--delay", type=int, default=200, help="requests until a late outcome")
    given = parser.parse_args()
    rng, begun, rows = np.random.default_rng(23), time.perf_counter(), []
    for law, draw in ((law, LAWS[law]) for law in given.laws):
        for shift in given.shifts:
            shape = (given.trials, given.outcomes)
            by_canary = (rng.random(shape) < given.share).astype(float)
            rewards = draw(rng, shape) + shift * by_canary
            results = results_of(rewards, by_canary, given, given.rewards)
            rows.append(row_of(law, shift, *results, given.rewards))
    rows += unlike(given, rng) + delayed(given, rng)
    seconds = round(time.perf_counter() - begun, 1)
    print(json.dumps({**vars(given), "seconds": seconds, "results": rows}, indent=2))


if __name__ == "__main__":
    main()
