"""Fit laws of inputs and single numbers to logged values, without being moved by a few wrong ones.

Everything is a quantile or a median, so that five per cent of absurd values change little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import optimize, stats

TAIL = 0.05
"""Share of either tail that a fit does not look at."""

NEARLY_AS_GOOD = 0.05
"""The law of the scenario is kept where no other one is better by more than this."""

MAX_ERROR = 6.0
"""Rows further from a sum than this many robust deviations do not count in the next round."""

ROUNDS = 5
"""Rounds in which rows that are far off are left out."""

_NORMAL_MAD = 1.4826  # deviation of a normal law, in median absolute deviations


def robust_ratio(above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    """Return the median ``c`` of ``above / below``, and the median of ``|above / (c below) - 1|``.

    Args:
        above, below: ``[n]``, both positive.
    """
    ratio = above / below
    value = float(np.median(ratio))
    return value, float(np.median(np.abs(ratio / value - 1.0)))


def robust_sum(columns: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, float]:
    """Return coefficients ``[k]``, none below 0, of ``total = columns @ c``, and their error.

    Least squares without the rows that are far off, :data:`ROUNDS` times. The error is the median
    of ``|total - columns @ c| / |total|``.

    Args:
        columns: ``[n, k]``.
        total: ``[n]``.
    """
    used = np.abs(total - np.median(total)) <= MAX_ERROR * _spread(total)
    value = np.zeros(columns.shape[1])
    for _ in range(ROUNDS):
        value = optimize.nnls(columns[used], total[used])[0]
        error = np.abs(total - columns @ value)
        used = error <= MAX_ERROR * max(_spread(total - columns @ value), 1e-9)
    relative = np.abs(total - columns @ value) / np.maximum(np.abs(total), 1e-12)
    return value, float(np.median(relative))


def fit_law(
    kind: str, values: np.ndarray, steps: np.ndarray
) -> tuple[dict[str, Any], float] | None:
    """Return the law of a kind that is nearest to logged values, and its distance to them.

    The distance is the Kolmogorov-Smirnov statistic of the values plus the difference of the
    correlations of neighbours. None for a kind that cannot be fitted.

    Args:
        kind: ``"uniform"``, ``"reflected_walk"`` or ``"autoregressive"``.
        values: ``[n]`` in the unit of the input.
        steps: ``[m, 2]`` neighbours in time, the earlier first; empty where none are known.
    """
    low, high = _ends(values)
    if not high > low or (kind != "uniform" and len(steps) < 2):
        return None
    shown = _correlation(steps)
    if kind == "uniform":
        law = {"kind": kind, "low": low, "high": high}
        return law, _distance(values, stats.uniform(low, high - low).cdf) + abs(shown)
    if kind == "reflected_walk":
        spread = _spread(steps[:, 1] - steps[:, 0])
        if not spread > 0:
            return None
        law = {"kind": kind, "low": low, "high": high, "step_std": spread}
        implied = math.exp(-0.5 * (math.pi * spread / (high - low)) ** 2)
        distance = _distance(values, stats.uniform(low, high - low).cdf)
        return law, distance + abs(shown - implied)
    if kind == "autoregressive":
        return _lognormal(values, steps, shown)
    return None


def _lognormal(
    values: np.ndarray, steps: np.ndarray, shown: float
) -> tuple[dict[str, Any], float] | None:
    """Return a log-normal autoregressive law; None where a value is not positive."""
    if np.quantile(values, TAIL) <= 0:
        return None
    logs = np.log(np.maximum(values, 1e-9))
    centre, spread = float(np.median(logs)), _spread(logs)
    if not spread > 0:
        return None
    cleaned = steps[(steps > 0).all(axis=1)]
    correlation = min(max(_correlation(np.log(cleaned)), 0.0), 0.999)
    law = {
        "kind": "autoregressive",
        "mean": math.exp(centre + 0.5 * spread**2),
        "variation": math.sqrt(math.expm1(spread**2)),
        "correlation": correlation,
        "low": math.exp(centre - 4 * spread),
        "high": math.exp(centre + 4 * spread),
    }
    implied = math.expm1(correlation * spread**2) / math.expm1(spread**2)
    distance = _distance(values, stats.lognorm(spread, scale=math.exp(centre)).cdf)
    return law, distance + abs(shown - implied)


def nearest_law(
    kinds: Sequence[str], present: str, values: np.ndarray, steps: np.ndarray
) -> tuple[dict[str, Any], float] | None:
    """Return the nearest law of several kinds; the present kind where it is nearly as good."""
    fits = {kind: fit for kind in kinds if (fit := fit_law(kind, values, steps)) is not None}
    if not fits:
        return None
    best = min(fits, key=lambda kind: fits[kind][1])
    if present in fits and fits[present][1] <= fits[best][1] + NEARLY_AS_GOOD:
        best = present
    return fits[best]


def distances(predicted: np.ndarray, logged: np.ndarray) -> dict[str, float]:
    """Return distances between two samples ``[n]``, the first of which predicts the second.

    ``wasserstein`` in their unit, ``kolmogorov_smirnov``, and ``relative_error``, the median of
    ``|predicted - logged| / logged`` over decisions.
    """
    error = np.abs(predicted - logged) / np.maximum(np.abs(logged), 1e-9)
    ks: Any = stats.ks_2samp(predicted, logged, method="asymp")
    return {
        "wasserstein": float(stats.wasserstein_distance(predicted, logged)),
        "kolmogorov_smirnov": float(ks.statistic),
        "relative_error": float(np.median(error)),
    }


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of a uniform law from its quantiles at :data:`TAIL`."""
    first, last = np.quantile(values, (TAIL, 1.0 - TAIL))
    beyond = TAIL / (1.0 - 2.0 * TAIL) * (last - first)
    return float(max(first - beyond, 0.0)), float(last + beyond)


def _distance(values: np.ndarray, cdf: Any) -> float:
    result: Any = stats.kstest(values, cdf)
    return float(result.statistic)


def _spread(values: np.ndarray) -> float:
    """Return the deviation of a normal law from the median absolute deviation."""
    return float(_NORMAL_MAD * np.median(np.abs(values - np.median(values))))


def _correlation(steps: np.ndarray) -> float:
    """Return the rank correlation of neighbours; 0 where there are too few."""
    if len(steps) < 10 or not np.ptp(steps[:, 0]) > 0 or not np.ptp(steps[:, 1]) > 0:
        return 0.0
    result: Any = stats.spearmanr(steps[:, 0], steps[:, 1])
    return float(result.statistic)


__all__ = ["distances", "fit_law", "nearest_law", "robust_ratio", "robust_sum"]
