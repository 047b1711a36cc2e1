"""Test whether inputs or rewards of a service have changed, with a stated rate of false alarms.

Inputs: each number by the two-sample Kolmogorov-Smirnov test, each choice by the chi-square test of
homogeneity, all together by Holm's step-down procedure (Scandinavian Journal of Statistics 1979).
Rewards: Page's two-sided CUSUM (Biometrika 1954) on batch means, whose threshold is found by
simulation. Half of the rate is spent on each.

Measured inputs stay similar for a while, and either test would take that for a change. So numbers
are thinned by twice their integrated autocorrelation time, batches of rewards are four times as
long as theirs, and the threshold is one for batch means with the correlation that is left.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from edgewright.core.errors import InputError

RATE = 0.01
"""Share of checks of an unchanged service that raise an alarm, unless stated otherwise."""

SLACK = 0.5
"""Half of the smallest change that CUSUM is tuned to, in standard deviations of a batch mean."""

MIN_DECISIONS = 50
"""Least decisions of either part of a log."""

MIN_BATCHES = 10
"""Least batches of rewards of either part."""

MAX_BATCHES = 200
"""Batches into which a longer part is divided."""

_TRIALS = 10_000
_CORRELATIONS = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8])
_WINDOW = 5.0  # times the autocorrelation time that are summed (Sokal 1997)


@dataclasses.dataclass(frozen=True)
class FieldDrift:
    """The test of one field.

    Attributes:
        method: ``"kolmogorov-smirnov"`` or ``"chi-square"``.
        adjusted: p-value after Holm's procedure; an alarm where it is at most the rate.
        thinned: every so many decisions count, because those between are alike.
    """

    name: str
    method: str
    statistic: float
    p_value: float
    adjusted: float
    thinned: int
    alarm: bool


@dataclasses.dataclass(frozen=True)
class RewardDrift:
    """The CUSUM of the rewards.

    Attributes:
        batch: outcomes in a batch.
        statistic: largest value of either sum, in standard deviations of a batch mean.
        threshold: above it is an alarm.
        direction: ``"up"``, ``"down"``, or ``""`` without an alarm.
        alarm_at: number of outcomes of the current part until the alarm; None without one.
    """

    batch: int
    batches: int
    statistic: float
    threshold: float
    direction: str
    alarm: bool
    alarm_at: int | None


@dataclasses.dataclass(frozen=True)
class DriftReport:
    """The changes between two parts of a log.

    Attributes:
        rate: stated probability of an alarm where nothing changed.
        reward: None where too few outcomes were reported.
    """

    rate: float
    reference: int
    current: int
    fields: tuple[FieldDrift, ...]
    reward: RewardDrift | None

    @property
    def alarm(self) -> bool:
        """Return whether an update is due."""
        return any(one.alarm for one in self.fields) or bool(self.reward and self.reward.alarm)

    def facts(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {"alarm": self.alarm, **dataclasses.asdict(self)}


def drift(
    reference: Sequence[Mapping[str, Any]],
    current: Sequence[Mapping[str, Any]],
    rewards: tuple[np.ndarray, np.ndarray],
    *,
    rate: float = RATE,
    sequence: np.ndarray | None = None,
    clients: int = 1,
) -> DriftReport:
    """Return what changed from the reference to the current decisions.

    Args:
        reference, current: observations, numbers and choices by field, in their order of time. Of
            several clients, all of one come before those of the next.
        rewards: of the reference and of the current decisions that have an outcome, by time.
        sequence, clients: see :func:`reward_drift`.
        rate: probability of any alarm where nothing changed, in (0, 1).

    Raises:
        InputError: the rate must be a probability and is not, or either part is too small.
    """
    if not 0.0 < rate < 1.0:
        raise InputError(
            f"must be above 0 and below 1; got {rate:g}", where="--rate", hint="e.g. 0.01"
        )
    least = min(len(reference), len(current))
    if least < MIN_DECISIONS:
        message = f"both parts must hold {MIN_DECISIONS} decisions or more; got {least}"
        raise InputError(message, where="drift", hint=f"wait for {MIN_DECISIONS - least} more")
    fields = input_drift(reference, current, rate / 2)
    change = reward_drift(*rewards, rate=rate / 2, sequence=sequence, clients=clients)
    return DriftReport(rate, len(reference), len(current), fields, change)


def input_drift(
    reference: Sequence[Mapping[str, Any]], current: Sequence[Mapping[str, Any]], rate: float
) -> tuple[FieldDrift, ...]:
    """Return the tests of all fields that both parts have; see :func:`drift`."""
    names = [name for name in reference[0] if name in current[0]]
    results = []
    for name in names:
        before, after = (
            [row[name] for row in part if name in row] for part in (reference, current)
        )
        numeric = all(isinstance(value, (int, float)) for value in (before[0], after[0]))
        results.append((name, *(_numbers if numeric else _choices)(before, after)))
    adjusted = holm([p for *_, p, _ in results])
    return tuple(
        FieldDrift(name, method, statistic, p, q, thinned, q <= rate)
        for (name, method, statistic, p, thinned), q in zip(results, adjusted, strict=True)
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down procedure, in the same order."""
    order = np.argsort(p_values)
    result, largest = np.ones(len(p_values)), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        result[index] = largest
    return result.tolist()


def autocorrelation_time(values: np.ndarray) -> float:
    """Return ``1 + 2 sum_k rho_k`` of a series: how many values are worth one independent one.

    The sum ends where ``k`` is :data:`_WINDOW` times the sum so far: Sokal, "Monte Carlo methods in
    statistical mechanics" (1997). 1 for a constant series; at least 1.
    """
    centred = np.asarray(values, float) - np.mean(values)
    count = len(centred)
    if count < 4 or not np.any(centred):
        return 1.0
    size = 2 ** math.ceil(math.log2(2 * count))
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    correlation = np.fft.irfft(spectrum)[:count] / np.dot(centred, centred)
    total = 2.0 * np.cumsum(correlation) - 1.0
    ends = np.flatnonzero(np.arange(count) >= _WINDOW * total)
    return max(1.0, float(total[ends[0] if ends.size else -1]))


def reward_drift(
    reference: np.ndarray,
    current: np.ndarray,
    rate: float,
    *,
    sequence: np.ndarray | None = None,
    clients: int = 1,
) -> RewardDrift | None:
    """Return the CUSUM of the current rewards around the mean of the reference.

    ``S+_t = max(0, S+_{t-1} + z_t - k)`` and ``S-_t`` likewise with ``-z_t``, where ``z_t`` is the
    mean of a batch in standard deviations of the batch means of the reference, and ``k`` is
    :data:`SLACK`. None where either part has fewer than :data:`MIN_BATCHES` batches.

    Args:
        reference, current: rewards in their order of time.
        rate: probability of an alarm where nothing changed.
        sequence: rewards of the reference, client after client: neighbours of one client are alike,
            those of two are not; ``reference`` if None.
        clients: how many there are, so that a batch has as many rewards of each.
    """
    if min(len(reference), len(current)) < MIN_BATCHES:
        return None
    alike = autocorrelation_time(reference if sequence is None else sequence)
    apart = (4.0 * (alike - 1.0) + 1.0) * clients
    batch = math.ceil(max(apart, max(len(reference), len(current)) / MAX_BATCHES))
    before, after = _batches(reference, batch), _batches(current, batch)
    if min(len(before), len(after)) < MIN_BATCHES:
        return None
    spread = float(np.std(before, ddof=1))
    scores = (after - np.mean(before)) / (spread or 1.0)
    up, down = _cusum(scores), _cusum(-scores)
    threshold = cusum_threshold(len(before), len(after), rate, _correlation(before))
    either = np.maximum(up, down)
    crossed = np.flatnonzero(either > threshold)
    alarm = crossed.size > 0
    first = int(crossed[0]) if alarm else 0
    direction = ("up" if up[first] >= down[first] else "down") if alarm else ""
    return RewardDrift(
        batch=batch,
        batches=len(after),
        statistic=float(either.max()),
        threshold=threshold,
        direction=direction,
        alarm=bool(alarm),
        alarm_at=(first + 1) * batch if alarm else None,
    )


@functools.lru_cache(maxsize=64)
def cusum_threshold(reference: int, current: int, rate: float, correlation: float = 0.0) -> float:
    """Return the threshold that ``current`` batches pass with probability ``rate``, unchanged.

    By :data:`_TRIALS` simulations of normal batch means, the first ``reference`` of which estimate
    mean and deviation as they do in a check.

    Args:
        correlation: of neighbouring batch means.
    """
    rng, fresh = np.random.default_rng(0), math.sqrt(1.0 - correlation**2)
    before = np.empty((reference, _TRIALS))
    value = rng.normal(size=_TRIALS)
    for index in range(reference):
        before[index] = value = correlation * value + fresh * rng.normal(size=_TRIALS)
    mean, spread = before.mean(axis=0), before.std(axis=0, ddof=1)
    up, down, largest = (np.zeros(_TRIALS) for _ in range(3))
    for _ in range(current):
        value = correlation * value + fresh * rng.normal(size=_TRIALS)
        scores = (value - mean) / spread
        up = np.maximum(0.0, up + scores - SLACK)
        down = np.maximum(0.0, down - scores - SLACK)
        largest = np.maximum(largest, np.maximum(up, down))
    return float(np.quantile(largest, 1.0 - rate))


def _correlation(values: np.ndarray) -> float:
    """Return the correlation of neighbours, raised to one of :data:`_CORRELATIONS`.

    A short series shows less than there is, by ``(1 + 4 rho) / n`` (Kendall, Biometrika 1954).
    """
    centred = values - np.mean(values)
    squares = float(np.dot(centred, centred))
    shown = float(np.dot(centred[1:], centred[:-1])) / squares if squares else 0.0
    true = shown + (1.0 + 4.0 * max(shown, 0.0)) / len(values)
    higher = _CORRELATIONS[true <= _CORRELATIONS]
    return float(higher[0]) if higher.size else float(_CORRELATIONS[-1])


def _cusum(scores: np.ndarray) -> np.ndarray:
    """Return ``max(0, S_{t-1} + z_t - k)`` for every ``t``: a sum above its own least value."""
    total = np.concatenate([[0.0], np.cumsum(scores - SLACK)])
    return (total - np.minimum.accumulate(total))[1:]


def _apart(time: float) -> int:
    """Return after how many values of an autocorrelation time one is taken for independent."""
    return math.ceil(2.0 * time - 1.0)


def _batches(values: np.ndarray, size: int) -> np.ndarray:
    count = len(values) // size
    return np.asarray(values[: count * size], float).reshape(count, size).mean(axis=1)


def _numbers(before: Sequence[float], after: Sequence[float]) -> tuple[str, float, float, int]:
    """Return method, statistic, p-value and thinning of a field of numbers."""
    first, second = np.asarray(before, float), np.asarray(after, float)
    thinned = _apart(max(autocorrelation_time(first), autocorrelation_time(second)))
    thinned = min(thinned, max(1, min(len(first), len(second)) // 2))
    result: Any = stats.ks_2samp(first[::thinned], second[::thinned], method="asymp")
    return "kolmogorov-smirnov", float(result.statistic), float(result.pvalue), thinned


def _choices(before: Sequence[Any], after: Sequence[Any]) -> tuple[str, float, float, int]:
    """Return method, statistic, p-value and thinning of a field of choices."""
    names = sorted({str(value) for value in (*before, *after)})
    codes = [np.array([names.index(str(value)) for value in part]) for part in (before, after)]
    times = [autocorrelation_time(part == n) for part in codes for n in range(len(names))]
    thinned = min(_apart(max(times)), max(1, min(map(len, codes)) // 2))
    table = np.array([np.bincount(part[::thinned], minlength=len(names)) for part in codes])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return "chi-square", 0.0, 1.0, thinned
    result: Any = stats.chi2_contingency(table, correction=False)
    return "chi-square", float(result.statistic), float(result.pvalue), thinned


__all__ = [
    "MIN_DECISIONS",
    "RATE",
    "DriftReport",
    "FieldDrift",
    "RewardDrift",
    "autocorrelation_time",
    "cusum_threshold",
    "drift",
    "holm",
    "input_drift",
    "reward_drift",
]
