"""Measure which share of the gap between the baseline and the bound a policy closes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from edgewright.core.errors import InputError
from edgewright.evaluation import statistics

FAR_BEHIND = -1000.0
"""Share of the gap [%] below which its exact size says nothing any more."""


def gap_closed(reward: ArrayLike, baseline: ArrayLike, bound: ArrayLike) -> dict[str, float] | None:
    """Return (reward - baseline) / (bound - baseline) as ``share``, ``low`` and ``high``.

    0 is the baseline, 1 is the bound. The interval is 95 %, over seeds and episodes that all three
    share.

    Args:
        reward: shape [seeds, episodes].
        baseline: shape [episodes].
        bound: shape [episodes].

    Returns:
        the share, or None where the baseline reaches the bound in some resample.
    """
    try:
        interval = statistics.normalised_score_interval(reward, baseline, bound)
    except InputError:
        return None
    return interval.summary("share")


def percent(share: Mapping[str, Any] | None) -> str | None:
    """Return a share and its interval in per cent, e.g. ``"37 [30, 44]"``; None for none.

    A policy far behind the baseline, such as the random one, gets no interval.
    """
    if share is None:
        return None
    estimate, low, high = (100 * share[key] for key in ("share", "low", "high"))
    if estimate < FAR_BEHIND:
        return _whole(estimate)
    return f"{_whole(estimate)} [{_whole(low)}, {_whole(high)}]"


def _whole(value: float) -> str:
    """Return a number without decimals, and without a minus sign before a zero."""
    return f"{value:.0f}" if round(value) else "0"


def sentence(row: Mapping[str, Any], baseline: str) -> str:
    """Return in words what a policy earns beyond the baseline, in units of the gap if there is one.

    Args:
        row: with ``difference`` and, where there is a bound, ``gap_closed``.
        baseline: name of the baseline.
    """
    share = percent(row.get("gap_closed"))
    if share is not None:
        return f"gap between {baseline} (0) and the bound (100) closed: {share} %"
    change = row.get("difference")
    if change is None:
        return f"it is the baseline {baseline}"
    interval = f"{change['mean']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]"
    return f"difference to {baseline}: {interval} per slot"


__all__ = ["gap_closed", "percent", "sentence"]
