"""Watch the decisions of a running service for a change of its inputs or rewards.

The first decisions of a policy are the reference. Whenever as many new ones are there, they are
compared with it, and the result is shown in ``/metrics`` until the next comparison. Numbers are
compared by the two-sample Kolmogorov-Smirnov test with its asymptotic law, each value of a choice
by the normal test of two shares, rewards by Page's CUSUM; Holm's procedure holds the rate over all
of them. See :mod:`edgewright.update.drift`, whose tests on a log have more power.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from edgewright.serve.reward_drift import autocorrelation_time, averaged, holm, reward_drift

WINDOW = 500
"""Decisions of the reference, and of each part that is compared with it."""

RATE = 0.01
"""Probability that a comparison raises an alarm where nothing changed."""


@dataclasses.dataclass(frozen=True)
class Look:
    """The result of one comparison.

    Attributes:
        fields: statistic and adjusted p-value of each field.
        reward: CUSUM as a share of its threshold; None where too few outcomes were reported.
    """

    fields: Mapping[str, tuple[float, float]]
    reward: float | None
    rate: float

    @property
    def alarm(self) -> bool:
        """Return whether an update is due."""
        changed = any(p <= self.rate / 2 for _, p in self.fields.values())
        return changed or (self.reward is not None and self.reward > 1.0)


class DriftWatch:
    """The decisions since a policy took over, and the result of the last comparison.

    The event loop adds; :meth:`look` may run in another thread.

    Args:
        window: decisions of the reference and of each part.
        rate: probability of a false alarm of a comparison.
    """

    def __init__(self, window: int = WINDOW, rate: float = RATE) -> None:
        self.window, self.rate = window, rate
        self.decisions = self.looks = self.alarms = 0
        self.last: Look | None = None
        self._lock = threading.Lock()
        self._policy = ""
        self._start()

    def _start(self) -> None:
        self._reference: tuple[list[dict[str, Any]], list[float]] | None = None
        self._rows: list[dict[str, Any]] = []
        self._rewards: list[float] = []

    def decided(self, policy: str, observation: Mapping[str, Any]) -> None:
        """Take a decision in; those of another policy than before begin a new reference.

        Args:
            policy: version of the bundle that decided.
        """
        with self._lock:
            if policy != self._policy:
                self._policy, self.last = policy, None
                self._start()
            self.decisions += 1
            if len(self._rows) < 2 * self.window:  # nobody looks: the newest are left out
                self._rows.append(dict(observation))

    def reported(self, policy: str, reward: float) -> None:
        """Take the reward of an outcome in, where the policy decided that is watched now.

        Args:
            policy: version of the bundle that decided, or another name of whoever did.
        """
        with self._lock:
            if policy == self._policy and len(self._rewards) < 2 * self.window:
                self._rewards.append(reward)

    def look(self) -> Look | None:
        """Compare each part that is complete; return the result of the last comparison."""
        while (parts := self._part()) is not None:
            before, after = parts
            result = compared(before, after, self.rate)
            with self._lock:
                self.last = result
                self.looks += 1
                self.alarms += result.alarm
        return self.last

    def _part(self) -> tuple[Any, Any] | None:
        """Return reference and next part, and take that part out; None where it is not complete."""
        with self._lock:
            while len(self._rows) >= self.window:
                size = self.window
                part = self._rows[:size], self._rewards[:size]
                self._rows, self._rewards = self._rows[size:], self._rewards[size:]
                if self._reference is not None:
                    return self._reference, part
                self._reference = part
        return None

    def families(self, prefix: str = "edgewright") -> Iterator[Metric]:
        """Yield what there is to scrape.

        Args:
            prefix: begins every name.
        """
        last = self.last
        counted = (
            f"{prefix}_drift_decisions",
            f"{prefix}_drift_comparisons",
            f"{prefix}_drift_alarms",
        )
        yield CounterMetricFamily(counted[0], "Decisions looked at for drift.", self.decisions)
        yield CounterMetricFamily(counted[1], "Comparisons with the reference.", self.looks)
        yield CounterMetricFamily(counted[2], "Comparisons that raised an alarm.", self.alarms)
        about = "Whether the last comparison raised an alarm."
        yield GaugeMetricFamily(f"{prefix}_drift_alarm", about, bool(last and last.alarm))
        names = ("statistic", "Distance from the reference."), ("p_value", "Adjusted p-value.")
        for index, (name, about) in enumerate(names):
            family = GaugeMetricFamily(f"{prefix}_drift_{name}", about, labels=["field"])
            for field, values in (last.fields if last else {}).items():
                family.add_metric([field], values[index])
            yield family
        about = "CUSUM of rewards, as a share of its threshold."
        share = last.reward if last and last.reward is not None else 0.0
        yield GaugeMetricFamily(f"{prefix}_drift_reward_cusum", about, share)


def compared(before: tuple[Any, Any], after: tuple[Any, Any], rate: float) -> Look:
    """Return the comparison of two parts, each with its observations and its rewards.

    Args:
        rate: probability of an alarm where nothing changed; half of it is for the rewards.
    """
    parts = [[averaged(row) for row in rows] for rows, _ in (before, after)]
    names = [name for name in parts[0][0] if all(name in row for part in parts for row in part)]
    tests = [_tested(*([row[name] for row in part] for part in parts)) for name in names]
    adjusted = holm([p for _, p in tests])
    fields = {
        name: (statistic, p) for name, (statistic, _), p in zip(names, tests, adjusted, strict=True)
    }
    rewards = [np.asarray(one, float) for _, one in (before, after)]
    change = reward_drift(rewards[0], rewards[1], rate / 2)
    return Look(fields, change.statistic / change.threshold if change else None, rate)


def kolmogorov(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the statistic of Kolmogorov and Smirnov, and its p-value.

    ``P(D > d) = 2 sum_k (-1)^(k-1) exp(-2 k^2 l^2)`` with ``l = d sqrt(m n / (m + n))``.
    """
    joined = np.sort(np.concatenate([first, second]))
    steps = [
        np.searchsorted(np.sort(one), joined, side="right") / len(one) for one in (first, second)
    ]
    distance = float(np.max(np.abs(steps[0] - steps[1])))
    scaled = distance * math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    if scaled < 0.2:
        return distance, 1.0
    terms = ((-1) ** (k - 1) * math.exp(-2.0 * (k * scaled) ** 2) for k in range(1, 101))
    return distance, min(1.0, max(0.0, 2.0 * sum(terms)))


def _tested(before: list[Any], after: list[Any]) -> tuple[float, float]:
    """Return statistic and p-value of one field."""
    if all(isinstance(value, (int, float)) for value in itertools.chain(before, after)):
        return kolmogorov(*_thinned(np.asarray(before, float), np.asarray(after, float)))
    values = sorted({str(value) for value in itertools.chain(before, after)})
    worst = (0.0, 1.0)
    for value in values:
        flags = [np.array([str(one) == value for one in part], float) for part in (before, after)]
        first, second = _thinned(*flags)
        shares, count = (first.mean(), second.mean()), 1 / len(first) + 1 / len(second)
        middle = (first.sum() + second.sum()) / (len(first) + len(second))
        error = math.sqrt(max(middle * (1 - middle) * count, 1e-12))
        apart = abs(shares[0] - shares[1])
        p = min(1.0, len(values) * math.erfc(apart / error / math.sqrt(2.0)))
        worst = min(worst, (float(apart), p), key=lambda pair: pair[1])
    return worst


def _thinned(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values far enough apart to be taken for independent."""
    every = math.ceil(2.0 * max(autocorrelation_time(first), autocorrelation_time(second)) - 1.0)
    every = min(every, max(1, min(len(first), len(second)) // 2))
    return first[::every], second[::every]


__all__ = ["RATE", "WINDOW", "DriftWatch", "Look", "compared", "kolmogorov"]
