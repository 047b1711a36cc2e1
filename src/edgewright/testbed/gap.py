"""Measure how far a simulation was from the testbed, in five figures with intervals.

1. errors of the calibration, on what it did not use; 2. distance of the delays; 3. agreement of the
ranks; 4. regret of the simulator's choice; 5. the distance on every rung between the two.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import kendalltau, ks_2samp, wasserstein_distance

from edgewright.testbed.blocks import (
    BETWEEN,
    DISCRETE,
    RUNGS,
    SIZES,
    SLOTS,
    TESTBED,
    VIRTUAL,
    WORLD,
    Series,
    clusters,
)
from edgewright.testbed.objective import Arrival

DRAWS, CONFIDENCE = 400, 0.95
QUANTILES = (0.50, 0.95, 0.99)

Ladder = Mapping[str, Mapping[str, Series]]
"""Numbers by rung and policy."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number with its bootstrap interval; ``draws`` are kept for what is made of them."""

    value: float
    low: float
    high: float

    def facts(self) -> dict[str, float]:
        """Return it as plain numbers."""
        return {"value": self.value, "low": self.low, "high": self.high}


def interval(value: float, drawn: np.ndarray) -> Figure:
    """Return a number with the percentile interval of its draws ``[draws]``."""
    drawn = drawn[np.isfinite(drawn)]
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(drawn, (tail, 100.0 - tail)) if len(drawn) else (math.nan,) * 2
    return Figure(value, float(low), float(high))


class Bootstrap:
    """Draws segments of blocks again and again, the same for all policies and rungs.

    Args:
        rounds: the requests; see :func:`~edgewright.testbed.blocks.clusters`.
    """

    def __init__(self, rounds: Sequence[Sequence[Arrival]], seed: int = 0) -> None:
        parts, rng = clusters(rounds), np.random.default_rng(seed)
        self.everything = np.concatenate(parts)
        self._draws = [
            np.concatenate([parts[n] for n in rng.integers(len(parts), size=len(parts))])
            for _ in range(DRAWS)
        ]

    def figure(self, statistic: Callable[[np.ndarray], float]) -> Figure:
        """Return a statistic of rows of requests, with the percentile interval of its draws."""
        return interval(float(statistic(self.everything)), self.drawn(statistic))

    def drawn(self, statistic: Callable[[np.ndarray], Any]) -> np.ndarray:
        """Return a statistic ``[draws, ...]`` of every draw."""
        return np.array([statistic(rows) for rows in self._draws], float)

    def share(self, holds: Callable[[np.ndarray], bool]) -> float:
        """Return the share of draws in which something holds."""
        return float(np.mean([holds(rows) for rows in self._draws]))


def distances(bootstrap: Bootstrap, simulated: Series, real: Series) -> dict[str, Any]:
    """Return how far the delays of a simulation are from real ones (figure 2).

    Returns:
        ``wasserstein_s`` in seconds, ``relative`` to the real mean, ``ks``, and ``p50`` to ``p99``,
        ratios of quantiles of the simulation to real ones. None where one has no answers.
    """

    def both(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        one, two = simulated.delay_s[rows], real.delay_s[rows]
        return one[np.isfinite(one)], two[np.isfinite(two)]

    def of(measure: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[np.ndarray], float]:
        def statistic(rows: np.ndarray) -> float:
            one, two = both(rows)
            return measure(one, two) if len(one) and len(two) else math.nan

        return statistic

    def ratio(share: float) -> Callable[[np.ndarray, np.ndarray], float]:
        return lambda one, two: float(np.quantile(one, share) / np.quantile(two, share))

    measures = {
        "wasserstein_s": lambda one, two: float(wasserstein_distance(one, two)),
        "relative": lambda one, two: float(wasserstein_distance(one, two) / np.mean(two)),
        "ks": _ks,
        **{f"p{100 * share:.0f}": ratio(share) for share in QUANTILES},
    }
    if not all(len(one) for one in both(bootstrap.everything)):
        return dict.fromkeys(measures)
    return {name: bootstrap.figure(of(measure)).facts() for name, measure in measures.items()}


def _ks(one: np.ndarray, two: np.ndarray) -> float:
    """Return the greatest difference of two distribution functions."""
    result: Any = ks_2samp(one, two, method="asymp")
    return float(result.statistic)


def ranks(bootstrap: Bootstrap, ladder: Ladder, names: Sequence[str]) -> dict[str, Any]:
    """Return how far simulator and testbed order policies alike, by mean rewards (figure 3).

    Args:
        names: of the policies, without twins.

    Returns:
        ``tau`` of Kendall with its interval; ``ranks`` of each policy on both sides with theirs, 1
        is the best; ``pairs``, of which the testbed orders ``settled`` beyond chance, and the
        simulator ``alike`` of those; the best on both sides, and how often they are the same.
    """

    def means(rung: str) -> Callable[[np.ndarray], list[float]]:
        return lambda rows: [float(ladder[rung][name].reward[rows].mean()) for name in names]

    value = {rung: np.array(means(rung)(bootstrap.everything)) for rung in (WORLD, TESTBED)}
    drawn = {rung: bootstrap.drawn(means(rung)) for rung in (WORLD, TESTBED)}
    taus = np.array([_tau(*pair) for pair in zip(drawn[WORLD], drawn[TESTBED], strict=True)])
    best = {rung: drawn[rung].argmax(axis=1) for rung in (WORLD, TESTBED)}
    placed = {
        name: {
            rung: interval(float(_ranked(value[rung])[n]), _ranked(drawn[rung])[:, n]).facts()
            for rung in (WORLD, TESTBED)
        }
        for n, name in enumerate(names)
    }
    return {
        "policies": len(names),
        "tau": interval(_tau(value[WORLD], value[TESTBED]), taus).facts(),
        "ranks": placed,
        "pairs": _pairs(value, drawn),
        "same_best": float(np.mean(best[WORLD] == best[TESTBED])),
        "simulated_best": names[int(value[WORLD].argmax())],
        "real_best": names[int(value[TESTBED].argmax())],
    }


def _tau(one: np.ndarray, two: np.ndarray) -> float:
    result: Any = kendalltau(one, two)
    return float(result.statistic)


def _ranked(rewards: np.ndarray) -> np.ndarray:
    """Return ranks ``[..., n]`` from 1, the highest reward first."""
    return 1 + (rewards[..., None, :] > rewards[..., :, None]).sum(axis=-1)


def _pairs(value: dict[str, np.ndarray], drawn: dict[str, np.ndarray]) -> dict[str, int]:
    """Count the pairs of policies that the testbed orders beyond chance, and those alike."""
    count = len(value[TESTBED])
    settled, alike = 0, 0
    for one in range(count):
        for two in range(one):
            real = drawn[TESTBED][:, one] - drawn[TESTBED][:, two]
            figure = interval(float(value[TESTBED][one] - value[TESTBED][two]), real)
            if figure.low <= 0.0 <= figure.high:
                continue
            settled += 1
            alike += (value[WORLD][one] - value[WORLD][two]) * figure.value > 0.0
    return {"all": count * (count - 1) // 2, "settled": settled, "alike": int(alike)}


def regret(bootstrap: Bootstrap, ladder: Ladder, names: Sequence[str]) -> dict[str, Any]:
    """Return what the simulator's choice costs on the testbed (figure 4).

    ``value`` is the reward of the best policy there minus that of the policy that the simulator
    ranks first; in every draw both choices are made anew. ``paired`` compares the two policies of
    all requests, where the interval may hold 0, and ``behind`` the best one with every policy, on
    both sides. The choice is ``right`` where the best policy is not shown to be better, and
    ``not_worse`` are all policies of which that holds.
    """
    real, simulated = ladder[TESTBED], ladder[WORLD]

    def best(series: Mapping[str, Series], rows: np.ndarray) -> str:
        return max(names, key=lambda name: float(series[name].reward[rows].mean()))

    def cost(rows: np.ndarray) -> float:
        wanted, taken = best(real, rows), best(simulated, rows)
        return float((real[wanted].reward[rows] - real[taken].reward[rows]).mean())

    wanted = best(real, bootstrap.everything)
    taken = best(simulated, bootstrap.everything)
    paired = {name: _paired(bootstrap, real[wanted], real[name]) for name in names}
    world = {name: _paired(bootstrap, simulated[wanted], simulated[name]) for name in names}
    return {
        **bootstrap.figure(cost).facts(),
        "chosen": taken,
        "best": wanted,
        "paired": paired[taken].facts(),
        "not_worse": [name for name, one in paired.items() if one.low <= 0.0],
        "behind": {
            name: {TESTBED: paired[name].facts(), WORLD: world[name].facts()} for name in names
        },
        "right": paired[taken].low <= 0.0,
    }


def _paired(bootstrap: Bootstrap, one: Series, two: Series) -> Figure:
    """Return the mean difference of rewards of the same requests."""
    return bootstrap.figure(lambda rows: float((one.reward[rows] - two.reward[rows]).mean()))


def difference(bootstrap: Bootstrap, one: Series, two: Series) -> dict[str, Any]:
    """Return the paired difference of rewards and of delays of two arms (A/A)."""

    def delays(rows: np.ndarray) -> float:
        return _mean(one.delay_s[rows] - two.delay_s[rows])

    reward = _paired(bootstrap, one, two)
    delay = bootstrap.figure(delays)
    holds = reward.low <= 0.0 <= reward.high
    return {"reward": reward.facts(), "delay_s": delay.facts(), "holds_zero": holds}


ADDS = {
    SLOTS: "calibrated means, one size of answers, a request in each slot, uploads at once",
    SIZES: "a size of answers for each level",
    BETWEEN: "arrivals at their times, between slots",
    WORLD: "uploads that wait for one another, Q_trans",
    DISCRETE: "the spread of services, and answers that wait for one another",
    VIRTUAL: "the gateway's own code, which estimates what it decides from",
    TESTBED: "processes, HTTP and this machine",
}
"""What each rung has beyond the one before it."""


def causes(bootstrap: Bootstrap, ladder: Ladder, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the distance of delays of all policies together on every rung (figure 5).

    ``change`` is what a rung adds to the distance of the one before, with its interval: below 0 it
    takes something off the gap.
    """
    rows, before = [], None
    for rung in RUNGS:
        statistic = _relative(ladder, rung, names)
        value, drawn = statistic(bootstrap.everything), bootstrap.drawn(statistic)
        change = None
        if before is not None:
            change = interval(value - before[0], drawn - before[1]).facts()
        facts = interval(value, drawn).facts()
        rows.append({"rung": rung, "adds": ADDS[rung], **facts, "change": change})
        before = value, drawn
    return rows


def distance(
    bootstrap: Bootstrap, ladder: Ladder, rung: str, names: Sequence[str]
) -> dict[str, float]:
    """Return the distance of delays of a rung over their mean, a mean over policies."""
    return bootstrap.figure(_relative(ladder, rung, names)).facts()


def _relative(ladder: Ladder, rung: str, names: Sequence[str]) -> Callable[[np.ndarray], float]:
    def statistic(rows: np.ndarray) -> float:
        total, weight = 0.0, 0
        for name in names:
            first, second = (ladder[one][name].delay_s[rows] for one in (rung, TESTBED))
            first, second = first[np.isfinite(first)], second[np.isfinite(second)]
            if len(first) and len(second):
                total += wasserstein_distance(first, second) / np.mean(second)
                weight += 1
        return total / weight if weight else math.nan

    return statistic


def outcomes_of(bootstrap: Bootstrap, one: Series) -> dict[str, Any]:
    """Return the reward, the violations of the objective and the quality in time of a policy."""
    return {
        "reward": bootstrap.figure(lambda rows: float(one.reward[rows].mean())).facts(),
        "violations": bootstrap.figure(lambda rows: float(one.late[rows].mean())).facts(),
        "quality_in_time": bootstrap.figure(lambda rows: _in_time(one, rows)).facts(),
        "delay_s": bootstrap.figure(lambda rows: _mean(one.delay_s[rows])).facts()
        if np.isfinite(one.delay_s).any()
        else None,
        "answered": float(np.isfinite(one.delay_s).mean()),
    }


def _in_time(one: Series, rows: np.ndarray) -> float:
    in_time = ~one.late[rows]
    return float(one.quality[rows][in_time].mean()) if in_time.any() else math.nan


def _mean(values: np.ndarray) -> float:
    """Return the mean of the numbers among values; not a number where there are none."""
    numbers = values[np.isfinite(values)]
    return float(numbers.mean()) if len(numbers) else math.nan
