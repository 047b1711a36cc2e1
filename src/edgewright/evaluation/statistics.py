"""Estimate with percentile-bootstrap intervals over seeds, tasks and paired episodes.

Every function is pure: the same numbers and the same ``seed`` give the same interval. Nothing here
assumes a normal distribution, and every interval is a percentile bootstrap: the ``(1 - c) / 2`` and
``(1 + c) / 2`` quantiles of the statistic over ``resamples`` draws with replacement.

Sources: Agarwal, Schwarzer, Castro, Courville and Bellemare, "Deep reinforcement learning at the
edge of the statistical precipice" (NeurIPS 2021) for the interquartile mean, probability
of improvement and performance profiles; Owen, "The pigeonhole bootstrap" (Annals of
Applied Statistics, 2007) for resampling crossed factors.

With few seeds a percentile bootstrap is somewhat too narrow: it sees (n - 1) / n of the variance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from edgewright.core.errors import InputError

Statistic = Callable[..., Any]
"""A vectorised statistic, called as ``statistic(array, axis=-1)``: ``np.mean``, ``np.median``..."""

_BLOCK = 4_000_000  # numbers held at once while resampling, about 32 MB


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval, in the unit of the values.

    Args:
        estimate: the statistic of the data as they are.
        low: lower end.
        high: upper end.
        confidence: nominal coverage in (0, 1), e.g. 0.95.
    """

    estimate: float
    low: float
    high: float
    confidence: float

    def excludes(self, value: float) -> bool:
        """Return whether ``value`` lies outside the interval: for a difference, ask about 0."""
        return not self.low <= value <= self.high

    def summary(self, name: str = "mean") -> dict[str, float]:
        """Return the estimate under ``name``, and ``low`` and ``high``."""
        return {name: self.estimate, "low": self.low, "high": self.high}

    def columns(self, name: str) -> dict[str, float]:
        """Return the three numbers as ``name``, ``name_low`` and ``name_high``."""
        return {name: self.estimate, f"{name}_low": self.low, f"{name}_high": self.high}

    def text(self, form: str) -> str:
        """Return ``estimate [low, high]`` with each number under a format specification."""
        return f"{self.estimate:{form}} [{self.low:{form}}, {self.high:{form}}]"


class Band(NamedTuple):
    """A curve with a pointwise band; each field has shape [k]."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def interquartile_mean(values: ArrayLike, axis: int | None = None) -> Any:
    """Return the mean of the middle half: ``floor(n / 4)`` values are cut from either end.

    The same as ``scipy.stats.trim_mean(values, 0.25, axis)``. Agarwal et al. 2021, section 4.3:
    less biased than the median, less swayed by outliers than the mean.

    Args:
        values: any shape, not empty, all finite.
        axis: the axis to reduce; None flattens first.
    """
    array = _checked(values, "values")
    if axis is None:
        array, axis = array.ravel(), 0
    count = array.shape[axis]
    cut = count // 4
    middle = np.take(np.sort(array, axis=axis), np.arange(cut, count - cut), axis=axis)
    return np.mean(middle, axis=axis)


def paired_difference(
    ours: ArrayLike,
    reference: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the interval of ``statistic(ours - reference)`` on identical episodes.

    A crossed (pigeonhole) bootstrap, Owen 2007: each draw resamples the seeds of ``ours``, the
    seeds of ``reference`` if it has several, and one set of episodes that *every* seed and both
    sides share. So what an easy or a hard episode does to both sides cancels, and the interval
    speaks about new training seeds and new episodes. Where a side has one seed the interval is
    conditional on that one trained policy. Seeds of the two sides are not paired with one another:
    the reference is averaged over its drawn seeds first. With many seeds the interval errs towards
    too wide (noise of one seed on one episode is counted in both factors), with few towards too
    narrow.

    Args:
        ours: shape [seeds, episodes], or [episodes] for one seed; column e is episode e.
        reference: shape [episodes] or [seeds, episodes], the same episodes in the same order.
        statistic: called on the flattened differences of each draw.
        confidence: nominal coverage in (0, 1).
        resamples: number of bootstrap draws.
        seed: of the draws.
    """
    a, b = _seeds_by_episodes(ours, "ours"), _seeds_by_episodes(reference, "reference")
    _same_episodes({"ours": a, "reference": b})
    if max(a.shape[0], a.shape[1], b.shape[0]) < 2:
        raise InputError("one seed on one episode has no interval", hint="give more episodes")
    rng = np.random.default_rng(seed)
    draws = []
    for block in _blocks(resamples, a.size + b.size):
        episodes = rng.integers(a.shape[1], size=(block, 1, a.shape[1]))
        drawn_a = a[rng.integers(a.shape[0], size=(block, a.shape[0], 1)), episodes]
        drawn_b = b[rng.integers(b.shape[0], size=(block, b.shape[0], 1)), episodes]
        difference = drawn_a - drawn_b.mean(axis=1, keepdims=True)
        draws.append(statistic(difference.reshape(block, -1), axis=-1))
    estimate = statistic((a - b.mean(axis=0)).reshape(-1), axis=-1)
    return _interval(estimate, np.concatenate(draws), confidence)


def mean_interval(values: ArrayLike) -> Interval:
    """Return the mean of ``[seeds, episodes]`` (or ``[episodes]``) and its 95 % interval.

    `paired_difference` to nothing: seeds and episodes are resampled.
    """
    array = _seeds_by_episodes(values, "values")
    return paired_difference(array, np.zeros(array.shape[1]))


def probability_of_improvement(ours: ArrayLike, reference: ArrayLike) -> Interval:
    """Return how probably a run of ``ours`` earns more than the reference on the same episode.

    ``P(X > Y) + P(X = Y) / 2``, the mean over episodes of the Mann-Whitney U of the seeds over its
    maximum: Agarwal et al. 2021, section 4.3, with an episode in the place of a task. 0.5 means
    that neither is better. The 95 % interval is of new episodes and new seeds of ``ours``; the
    seeds of the reference are taken as given.

    Args:
        ours: shape [seeds, episodes] or [episodes]; column e is episode e.
        reference: the same, of as many episodes and any number of seeds.
    """
    x, y = _seeds_by_episodes(ours, "ours"), _seeds_by_episodes(reference, "reference")
    _same_episodes({"ours": x, "reference": y})
    wins = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])
    return mean_interval(wins.mean(axis=1))


def pointwise_band(
    values: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Band:
    """Return ``statistic`` over runs at each point, resampling whole runs.

    Args:
        values: shape [runs, k], e.g. learning curves of k points.
        statistic: reduces the runs.
        confidence: nominal coverage of the band at each point by itself, not of the whole curve.
        resamples: number of bootstrap draws.
        seed: of the draws.
    """
    array = _checked(values, "values", 2)
    rng = np.random.default_rng(seed)
    runs = array.shape[0]
    draws = [
        statistic(np.moveaxis(array[rng.integers(runs, size=(b, runs))], 1, -1), axis=-1)
        for b in _blocks(resamples, array.size)
    ]
    low, high = np.quantile(np.concatenate(draws), _tails(confidence), axis=0)
    return Band(np.asarray(statistic(array.T, axis=-1)), low, high)


def performance_profile(
    values: ArrayLike,
    thresholds: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Band:
    """Return the share of values above each threshold, with a pointwise band.

    ``F(t) = mean over seeds and episodes of [value > t]``: the run-score distribution of Agarwal et
    al. 2021, section 4.2. Each draw resamples seeds, and one set of episodes for all of them.

    Args:
        values: shape [seeds, episodes], or [episodes] for one seed.
        thresholds: shape [k], in the unit of the values.
        confidence: nominal coverage at each threshold by itself.
        resamples: number of bootstrap draws.
        seed: of the draws.
    """
    array, at = _seeds_by_episodes(values, "values"), _checked(thresholds, "thresholds", 1)
    above = (array.reshape(-1, 1) > at).astype(float)
    rng = np.random.default_rng(seed)
    draws = []
    for block in _blocks(resamples, max(above.shape)):
        seeds, episodes = (rng.multinomial(n, np.full(n, 1 / n), size=block) for n in array.shape)
        weights = (seeds[:, :, None] * episodes[:, None, :]).reshape(block, -1) / array.size
        draws.append(weights @ above)
    low, high = np.quantile(np.concatenate(draws), _tails(confidence), axis=0)
    return Band(above.mean(axis=0), low, high)


def normalised_score(value: ArrayLike, low_anchor: ArrayLike, high_anchor: ArrayLike) -> Any:
    """Return ``(R - R_random) / (R_reference - R_random)``: 0 is random, 1 is the reference.

    A reward's zero is arbitrary, so a percentage of it means nothing; this score has no unit and
    does not change when the reward is shifted or scaled. Broadcasts.
    """
    low, high = _checked(low_anchor, "low_anchor"), _checked(high_anchor, "high_anchor")
    span = high - low
    if np.any(span <= 0):
        raise InputError(
            f"the high anchor does not lie above the low anchor (high - low = {np.min(span):.6g}), "
            "so the score has no meaning",
            hint="choose a better reference, or evaluate on more episodes",
        )
    return (_checked(value, "value") - low) / span


def normalised_score_interval(
    ours: ArrayLike,
    random: ArrayLike,
    reference: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the interval of the normalised score, drawing ours and both anchors jointly.

    All three were evaluated on the same episodes, so each draw takes the same episodes for all
    three, and resamples the seeds of ``ours`` besides. Refused when the reference falls to the
    random policy in some draw: then the ratio has no finite interval (Fieller 1954).

    Args:
        ours: shape [seeds, episodes] or [episodes].
        random: shape [episodes], the low anchor.
        reference: shape [episodes], the high anchor, e.g. an oracle or a planner.
        statistic: reduces each of the three before the ratio is taken.
        confidence: nominal coverage in (0, 1).
        resamples: number of bootstrap draws.
        seed: of the draws.
    """
    a = _seeds_by_episodes(ours, "ours")
    low, high = _checked(random, "random", 1), _checked(reference, "reference", 1)
    _same_episodes({"ours": a, "random": low, "reference": high})
    if max(a.shape) < 2:
        raise InputError("one seed on one episode has no interval", hint="give more episodes")
    rng = np.random.default_rng(seed)
    draws = []
    for block in _blocks(resamples, a.size + 2 * low.size):
        episodes = rng.integers(low.size, size=(block, low.size))
        seeds = rng.integers(a.shape[0], size=(block, a.shape[0], 1))
        drawn = a[seeds, episodes[:, None, :]].reshape(block, -1)
        anchors = statistic(low[episodes], axis=-1), statistic(high[episodes], axis=-1)
        draws.append(normalised_score(statistic(drawn, axis=-1), *anchors))
    estimate = normalised_score(
        statistic(a.reshape(-1), axis=-1), statistic(low, axis=-1), statistic(high, axis=-1)
    )
    return _interval(estimate, np.concatenate(draws), confidence)


def _checked(values: ArrayLike, what: str, ndim: int | None = None) -> np.ndarray:
    """Return ``values`` as floats, refusing what is empty, ragged, not finite or misshapen."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"'{what}' is not a rectangular array of numbers", hint="give rows of equal length"
        ) from error
    if ndim is not None and array.ndim != ndim:
        raise InputError(f"'{what}' has shape {array.shape}; {ndim} axes are needed")
    if array.size == 0:
        raise InputError(f"'{what}' is empty", hint="give at least one value")
    wrong = int(np.size(array) - np.count_nonzero(np.isfinite(array)))
    if wrong:
        raise InputError(
            f"'{what}' holds {wrong} of {array.size} values that are NaN or infinite",
            hint="find out why they failed before leaving them out",
        )
    return array


def _seeds_by_episodes(values: ArrayLike, what: str) -> np.ndarray:
    array = _checked(values, what)
    return array[None, :] if array.ndim == 1 else _checked(array, what, 2)


def _same_episodes(arrays: dict[str, np.ndarray]) -> None:
    if len({array.shape[-1] for array in arrays.values()}) > 1:
        counts = ", ".join(f"'{name}' has {a.shape[-1]}" for name, a in arrays.items())
        raise InputError(
            f"the episodes do not match: {counts}", hint="evaluate both on the same episodes"
        )


def _blocks(resamples: int, size: int) -> Iterator[int]:
    """Split ``resamples`` draws of ``size`` numbers into blocks that fit in memory."""
    if resamples < 1:
        raise InputError(f"resamples = {resamples} must be at least 1")
    step = max(1, _BLOCK // size)
    for start in range(0, resamples, step):
        yield min(step, resamples - start)


def _tails(confidence: float) -> tuple[float, float]:
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence = {confidence} must lie between 0 and 1", hint="e.g. 0.95")
    return (1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0


def _interval(estimate: Any, draws: np.ndarray, confidence: float) -> Interval:
    low, high = np.quantile(draws, _tails(confidence))
    return Interval(float(estimate), float(low), float(high), confidence)
