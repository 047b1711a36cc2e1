"""Test rewards for a change by Page's CUSUM with NumPy alone, in the service and in commands.

See :mod:`edgewright.update.drift` for the papers and for what autocorrelation does to the tests.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SLACK = 0.5
"""Half of the smallest change that CUSUM is tuned to, in standard deviations of a batch mean."""

MIN_BATCHES = 10
"""Least batches of rewards of either part."""

MAX_BATCHES = 200
"""Batches into which a longer part is divided."""

_USER = re.compile(r"_user_\d+")
_TRIALS = 10_000
_CORRELATIONS = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8])
_WINDOW = 5.0  # times the autocorrelation time that are summed (Sokal 1997)


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


def averaged(observation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an observation with one number for all users in the place of one for each.

    ``input_user_1_mbit``, ``input_user_2_mbit`` and so on become their mean, ``input_user_mbit``:
    what all users ask for shows in it sooner than in the test of each of them.
    """
    result: dict[str, Any] = {}
    groups: dict[str, list[float]] = {}
    for name, value in observation.items():
        if _USER.search(name) and isinstance(value, (int, float)):
            groups.setdefault(_USER.sub("_user", name, count=1), []).append(value)
        else:
            result[name] = value
    return result | {name: sum(values) / len(values) for name, values in groups.items()}


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


def _batches(values: np.ndarray, size: int) -> np.ndarray:
    count = len(values) // size
    return np.asarray(values[: count * size], float).reshape(count, size).mean(axis=1)


__all__ = [
    "RewardDrift",
    "autocorrelation_time",
    "averaged",
    "cusum_threshold",
    "holm",
    "reward_drift",
]
