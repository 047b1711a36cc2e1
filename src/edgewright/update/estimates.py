"""Estimate policies from a log, with intervals, and refuse where the log is too small for that."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping

import numpy as np

from edgewright.core.errors import InputError
from edgewright.rules import off_policy
from edgewright.rules.off_policy import LoggedActions

METHODS = ("direct", "importance_weighted", "self_normalised", "doubly_robust")
HEADLINE = "doubly_robust"
"""The estimate that a gate looks at."""

MIN_EFFECTIVE = 100.0
"""Least effective sample size: below it a percentile bootstrap is too narrow."""

MAX_UNSUPPORTED = 0.0
"""Share of decisions in which the policy would do what the log never did."""

RESAMPLES = 1000
_BLOCK = 8_000_000  # numbers of resampled counts held at once, about 64 MB


@dataclasses.dataclass(frozen=True)
class ValueInterval:
    """A value with its percentile-bootstrap interval, in the unit of the reward."""

    estimate: float
    low: float
    high: float

    def facts(self) -> dict[str, float]:
        """Return the three numbers by name."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class OffPolicyValue:
    """The value of one policy by a log.

    Attributes:
        methods: interval of each of :data:`METHODS`.
        effective: effective sample size of the weights.
        unsupported: share of decisions in which the policy takes an action of propensity 0.
        largest_weight: largest importance weight.
    """

    methods: Mapping[str, ValueInterval]
    effective: float
    unsupported: float
    largest_weight: float

    def facts(self) -> dict[str, object]:
        """Return the numbers by name."""
        each = {name: one.facts() for name, one in self.methods.items()}
        rest = {
            "effective_sample_size": self.effective,
            "unsupported": self.unsupported,
            "largest_weight": self.largest_weight,
        }
        return {**each, **rest}


@dataclasses.dataclass(frozen=True)
class PolicyComparison:
    """A candidate against the running policy on the same decisions.

    Attributes:
        decisions: how many there are.
        logged: mean reward of the decisions as they were taken.
        difference: candidate minus running policy, by method, from the same resamples.
    """

    decisions: int
    logged: ValueInterval
    candidate: OffPolicyValue
    running: OffPolicyValue
    difference: Mapping[str, ValueInterval]

    def facts(self) -> dict[str, object]:
        """Return the numbers by name."""
        return {
            "decisions": self.decisions,
            "logged": self.logged.facts(),
            "candidate": self.candidate.facts(),
            "running": self.running.facts(),
            "difference": {name: one.facts() for name, one in self.difference.items()},
        }


def estimate(
    logged: LoggedActions,
    law: np.ndarray,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> OffPolicyValue:
    """Return the value of a policy with intervals; nothing is refused.

    Args:
        law: ``[n, actions]`` probabilities of the policy in every observed state.
        resamples: draws of the bootstrap; the reward model is fitted again in each.
        confidence: nominal coverage in (0, 1).
        seed: of the draws.
    """
    blocks = [_all(logged, law, counts) for counts in _counts(len(law), resamples, seed)]
    draws = {name: np.concatenate([block[name] for block in blocks]) for name in METHODS}
    point = _all(logged, law, np.ones((1, len(law))))
    return _value(logged, law, {name: point[name][0] for name in METHODS}, draws, confidence)


def compare_policies(
    logged: LoggedActions,
    candidate: np.ndarray,
    running: np.ndarray,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> PolicyComparison:
    """Return both values and their difference, from the same resamples of the log.

    Args:
        candidate, running: ``[n, actions]`` probabilities of the two policies.
        resamples, confidence, seed: see :func:`estimate`.
    """
    laws = {"candidate": candidate, "running": running}
    draws: dict[str, dict[str, list[np.ndarray]]] = {
        one: {name: [] for name in METHODS} for one in laws
    }
    rewards = []
    for counts in _counts(len(candidate), resamples, seed):
        model = off_policy.reward_model(logged, candidate.shape[1], counts)
        rewards.append(counts @ logged.reward / counts.sum(axis=1))
        for one, law in laws.items():
            for name, values in _all(logged, law, counts, model).items():
                draws[one][name].append(values)
    all_draws = {
        one: {name: np.concatenate(values) for name, values in each.items()}
        for one, each in draws.items()
    }
    ones = np.ones((1, len(candidate)))
    points = {
        one: {name: values[0] for name, values in _all(logged, law, ones).items()}
        for one, law in laws.items()
    }
    difference = {
        name: _interval(
            points["candidate"][name] - points["running"][name],
            all_draws["candidate"][name] - all_draws["running"][name],
            confidence,
        )
        for name in METHODS
    }
    values = {
        one: _value(logged, law, points[one], all_draws[one], confidence)
        for one, law in laws.items()
    }
    mean = _interval(float(np.mean(logged.reward)), np.concatenate(rewards), confidence)
    return PolicyComparison(
        len(candidate), mean, values["candidate"], values["running"], difference
    )


def check_enough(
    value: OffPolicyValue, logged: LoggedActions, where: str, least: float = MIN_EFFECTIVE
) -> None:
    """Check that a log says enough of a policy.

    Raises:
        InputError: the log explored nothing where the policy decides otherwise, or its effective
            sample size is too small; the message states how many more decisions are needed.
    """
    count = len(logged.reward)
    if value.unsupported > MAX_UNSUPPORTED:
        message = f"the candidate decides otherwise in {value.unsupported:.1%} of the decisions"
        message += ", where no other action had a chance"
        hint = "serve with --explore 0.05 or --explore own, and let it decide again"
        raise InputError(message, where=where, hint=hint)
    if value.effective >= least:
        return
    more = needed(value.effective, logged, least)
    message = f"the effective sample size must be at least {least:g}; got {value.effective:.1f}"
    hint = f"about {more:,} more decisions with outcomes are needed, beside the {count:,} there are"
    raise InputError(message, where=where, hint=hint)


def needed(effective: float, logged: LoggedActions, least: float = MIN_EFFECTIVE) -> int:
    """Return how many more decisions bring the effective sample size to ``least``.

    It grows as the decisions do. Where no decision is like those of the policy, the smallest logged
    propensity ``p`` bounds it: ``least / p`` decisions are needed at most.
    """
    count = len(logged.reward)
    if effective > 0:
        return max(0, math.ceil(count * least / effective) - count)
    smallest = float(np.min(logged.propensity)) if count else 1.0
    return max(1, math.ceil(least / smallest) - count)


def _all(
    logged: LoggedActions, law: np.ndarray, counts: np.ndarray, model: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the estimates ``[resamples]`` of every method."""
    if model is None:
        model = off_policy.reward_model(logged, law.shape[1], counts)
    weights = off_policy.importance_weights(law, logged)
    return {
        "direct": off_policy.direct(logged, law, model, counts),
        "importance_weighted": off_policy.importance_weighted(weights, logged.reward, counts),
        "self_normalised": off_policy.self_normalised(weights, logged.reward, counts),
        "doubly_robust": off_policy.doubly_robust(logged, law, model, counts),
    }


def _value(
    logged: LoggedActions,
    law: np.ndarray,
    point: Mapping[str, float],
    draws: Mapping[str, np.ndarray],
    confidence: float,
) -> OffPolicyValue:
    weights = off_policy.importance_weights(law, logged)
    # An action that was certain left no chance to any other.
    certain = (logged.propensity >= 1.0) & (law[np.arange(len(law)), logged.action] < 1.0)
    return OffPolicyValue(
        methods={name: _interval(point[name], draws[name], confidence) for name in METHODS},
        effective=off_policy.effective_sample_size(weights),
        unsupported=float(np.mean(certain)),
        largest_weight=float(np.max(weights)),
    )


def _interval(estimate: float, draws: np.ndarray, confidence: float) -> ValueInterval:
    tails = (1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0
    low, high = np.nanquantile(draws, tails) if np.isfinite(draws).any() else (math.nan, math.nan)
    return ValueInterval(float(estimate), float(low), float(high))


def _counts(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the counts of all resamples in blocks that fit in memory."""
    size = max(1, min(resamples, _BLOCK // n))
    for number, start in enumerate(range(0, resamples, size)):
        yield _block(n, min(size, resamples - start), seed + 7919 * number)


@functools.lru_cache(maxsize=1)
def _block(n: int, resamples: int, seed: int) -> np.ndarray:
    return off_policy.resampled(n, resamples, seed)


__all__ = [
    "HEADLINE",
    "METHODS",
    "MIN_EFFECTIVE",
    "OffPolicyValue",
    "PolicyComparison",
    "ValueInterval",
    "check_enough",
    "compare_policies",
    "estimate",
    "needed",
]
