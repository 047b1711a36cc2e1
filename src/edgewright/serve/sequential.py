"""Compare the rewards of two arms after every outcome, with a stated error however long one looks.

A confidence sequence covers the difference of the means at all times together with probability
``1 - error``, so that it is right to stop at the first clear result. It is that of the mixture
sequential probability ratio test for normal means: Robbins, "Statistical methods related to the law
of the iterated logarithm" (Annals of Mathematical Statistics 1970); Johari, Koomen, Pekelis and
Walsh, "Always valid inference: continuous monitoring of A/B tests" (Operations Research 2022).
Variances are estimated, so it holds for many outcomes, not for a few: see :data:`MIN_OUTCOMES`.
"""

from __future__ import annotations

import dataclasses
import math

MIN_OUTCOMES = 50
"""Least outcomes of either arm before anything is decided."""

EFFECT = 0.2
"""Difference that the mixture is tuned to, in deviations of a reward."""


@dataclasses.dataclass
class Arm:
    """Running mean and sum of squared deviations of rewards (Welford, Technometrics 1962)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, reward: float) -> None:
        """Take one reward in."""
        self.count += 1
        apart = reward - self.mean
        self.mean += apart / self.count
        self.squares += apart * (reward - self.mean)

    @property
    def variance(self) -> float:
        """Return the variance of a reward; 0 with fewer than two."""
        return self.squares / (self.count - 1) if self.count > 1 else 0.0


@dataclasses.dataclass(frozen=True)
class Difference:
    """Mean reward of the canary minus that of the running policy, with its confidence sequence."""

    estimate: float
    low: float
    high: float


def difference(canary: Arm, running: Arm, error: float) -> Difference:
    """Return the difference of two arms with the confidence sequence of now.

    ``|D - d| <= sqrt(V (V + t^2) / t^2 (2 ln(1 / error) + ln((V + t^2) / V)))`` with the variance
    ``V`` of the estimate ``D`` and the mixture's deviation ``t``. Infinite with too few outcomes.

    Args:
        error: probability that the sequence ever excludes the true difference, in (0, 1).
    """
    estimate = canary.mean - running.mean
    if min(canary.count, running.count) < MIN_OUTCOMES:
        return Difference(estimate, -math.inf, math.inf)
    pooled = (canary.squares + running.squares) / (canary.count + running.count - 2)
    variance = canary.variance / canary.count + running.variance / running.count
    if variance <= 0.0:
        return Difference(estimate, estimate, estimate)
    mixture = EFFECT**2 * pooled
    shape = 2.0 * math.log(1.0 / error) + math.log((variance + mixture) / variance)
    width = math.sqrt(variance * (variance + mixture) / mixture * shape)
    return Difference(estimate, estimate - width, estimate + width)


__all__ = ["EFFECT", "MIN_OUTCOMES", "Arm", "Difference", "difference"]
