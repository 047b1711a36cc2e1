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
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from edgewright.core.errors import InputError
from edgewright.serve.reward_drift import (
    RewardDrift,
    autocorrelation_time,
    cusum_threshold,
    holm,
    reward_drift,
)

RATE = 0.01
"""Share of checks of an unchanged service that raise an alarm, unless stated otherwise."""

MIN_DECISIONS = 50
"""Least decisions of either part of a log."""


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


def _apart(time: float) -> int:
    """Return after how many values of an autocorrelation time one is taken for independent."""
    return math.ceil(2.0 * time - 1.0)


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
