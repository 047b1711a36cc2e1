"""Compare the rewards of two arms after every outcome, with a stated error however long one looks.

Each request is given to the canary with the stated probability ``p``, whatever came before. So the
reward of a request, weighted by who decided, is an unbiased estimate of the difference ``d`` of
the two mean rewards at that moment:

    x_t = (z_t - p) / (p (1 - p)) (r_t - m_t),   z_t = 1 where the canary decided,

with any ``m_t`` that is known when the request is drawn, see :class:`Known`. A bet on ``d > d0``
multiplies a capital by ``1 + k / b_t (x_t - d0)``, where ``b_t`` bounds how low ``x_t - d0`` can be
and ``k < 1``. Where ``d <= d0`` the capital is expected to fall, so it ever exceeds ``1 / error``
with probability ``error`` at most (Ville's inequality). These are the confidence sequences by
betting of Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting"
(Journal of the Royal Statistical Society B 2024), on the randomisation of Ham, Bojinov, Lindon and
Tingley, "Design-based confidence sequences" (2022, arXiv:2210.08639). They need no normal means and
no independent rewards, only bounded ones: rewards are cut to a range, see :class:`Bets`.

Bets are settled as outcomes arrive. That is assumed to be in an order that does not depend on the
arm: where one arm's outcomes come late, those that are there are not a sample by the draw.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

MIN_OUTCOMES = 50
"""Outcomes that nothing is bet on: they show the range and the mean of rewards."""

STRENGTHS = np.geomspace(0.02, 0.9, 8)
"""Parts ``k`` of the largest possible bet; the capital is divided among them evenly."""

ENDS = np.geomspace(0.01, 10.0, 40)
"""Differences, in deviations of a reward, that an end of the confidence sequence may have."""


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


@dataclasses.dataclass(frozen=True)
class Known:
    """A summary of outcomes at the time of a draw, which the bet on that request may use.

    Attributes:
        count: outcomes by then; nothing is bet below :data:`MIN_OUTCOMES`.
        low, high: range that its reward is cut to.
        centre: mean of the rewards, ``m_t``.
    """

    count: int
    low: Any
    high: Any
    centre: Any


class Bets:
    """Bets on the difference of two arms, for one comparison or for many side by side.

    Args:
        share: probability that the canary decides a request, in (0, 1).
        error: probability that the sequence ever excludes the true difference, in (0, 1).
        margin: loss that is accepted; its negative is one of the differences that are tested.
        rewards: least and largest reward; others are cut to them. If None, a reward is cut to the
            range of all rewards before it, of both arms.
        wide: whether all ends of the confidence sequence are tested, or 0 and the margin alone.
    """

    def __init__(
        self,
        share: float,
        error: float,
        margin: float = 0.0,
        rewards: tuple[float, float] | None = None,
        wide: bool = True,
    ) -> None:
        self.share, self.margin, self.stated, self.wide = share, margin, rewards, wide
        self.least = 2.0 / error
        self.rewards = Arm()
        self.low, self.high = rewards or (math.inf, -math.inf)
        self.cut: Any = 0
        self.bets, self.total = 0, 0.0
        self.differences = np.unique([0.0 - margin, 0.0])
        self.capital: Any = [np.zeros(0)] * 2

    def known(self) -> Known:
        """Return what is known to a request that is drawn now."""
        return Known(self.rewards.count, self.low, self.high, self.rewards.mean)

    def add(self, reward: Any, by_canary: Any, known: Known | None = None) -> None:
        """Bet on one reward of each comparison, and learn its range and mean.

        Args:
            reward: a number, or ``[comparisons]``.
            by_canary: 0 or 1, whether the canary decided; of the same shape.
            known: when the request was drawn; what is known now if None.
        """
        known = known or self.known()
        if self.rewards.count == MIN_OUTCOMES:
            self._begin(np.shape(reward))
        cut = np.clip(reward, self.low, self.high) if self.rewards.count or self.stated else reward
        if known.count >= MIN_OUTCOMES:
            self._bet(np.clip(reward, known.low, known.high), by_canary, known)
        self.cut = self.cut + (cut != reward)
        if self.stated is None:
            self.low, self.high = np.minimum(self.low, reward), np.maximum(self.high, reward)
        self.rewards.add(cut)

    def _begin(self, shape: tuple[int, ...]) -> None:
        """Choose the differences that are tested, and give each the same capital."""
        if self.wide:
            scale = float(np.sqrt(self.rewards.variance)) or 1.0
            ends = np.concatenate([-scale * ENDS, scale * ENDS, self.differences])
            self.differences = np.unique(ends)
        full = (*shape, len(self.differences), len(STRENGTHS))
        self.capital = [np.ones(full), np.ones(full)]

    def _bet(self, reward: Any, by_canary: Any, known: Known) -> None:
        """Multiply each capital by ``1 + k (x - d0) / b``; what is beyond all numbers stays so."""
        share, centre = self.share, known.centre
        up, down = known.high - centre, centre - known.low
        estimate = (by_canary - share) / (share * (1.0 - share)) * (reward - centre)
        self.bets, self.total = self.bets + 1, self.total + estimate
        signs = (
            (1.0, np.maximum(down / share, up / (1.0 - share))),
            (-1.0, np.maximum(up / share, down / (1.0 - share))),
        )
        for side, (sign, bound) in enumerate(signs):
            apart = sign * (np.asarray(estimate)[..., None] - self.differences)
            worst = np.asarray(bound)[..., None] + np.maximum(sign * self.differences, 0.0)
            each = np.divide(apart, worst, out=np.zeros_like(apart), where=worst > 0.0)
            with np.errstate(over="ignore", under="ignore"):
                self.capital[side] *= 1.0 + each[..., None] * STRENGTHS

    @property
    def excluded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return which differences are too low, and which too high; each ``[..., tested]``."""
        if not self.bets:
            nothing = np.zeros(len(self.differences), bool)
            return nothing, nothing
        low, high = (one.mean(axis=-1) >= self.least for one in self.capital)
        return low, high

    @property
    def clear(self) -> Any:
        """Return 1 where the difference is shown to be above minus the margin, -1 below 0, or 0."""
        low, high = self.excluded
        index = (int(np.searchsorted(self.differences, one)) for one in (0.0 - self.margin, 0.0))
        better, worse = low[..., next(index)], high[..., next(index)]
        return np.where(better, 1, np.where(worse, -1, 0))

    @property
    def difference(self) -> Difference:
        """Return the estimate of one comparison, between the nearest excluded differences."""
        low, high = (self.differences[one] for one in self.excluded)
        estimate = float(self.total / self.bets) if self.bets else 0.0
        ends = (float(np.max(low, initial=-math.inf)), float(np.min(high, initial=math.inf)))
        return Difference(estimate, *ends)


__all__ = ["ENDS", "MIN_OUTCOMES", "STRENGTHS", "Arm", "Bets", "Difference", "Known"]
