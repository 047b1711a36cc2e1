"""Ask how much of a policy's gain over the baseline its compressed copies keep.

The score of a policy counts from random actions, which earn far less than any rule: it stays near
one while all that learning gained over the rule is lost. The gain counts from the scenario's
baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewright.bundle import Bundle
from edgewright.core.errors import InputError
from edgewright.evaluation.statistics import Interval, normalised_score_interval
from edgewright.export.policy import BundlePolicy, whole_policy

ANSWERED, PRICED = "", "_priced"
"""Endings of the columns of a reward: that of the answers of a bundle and, if it proposes several
actions, that of the best of its proposals."""

OPTION = "--min-gain-kept"


def ways(bundle: Bundle) -> dict[str, Callable[[Bundle], Any]]:
    """Return the policies that play for a bundle, by the ending of their columns."""
    answered = {ANSWERED: lambda one: BundlePolicy(bundle=one)}
    return {**answered, PRICED: whole_policy} if bundle.interface.joint else answered


def share_kept(reward: np.ndarray, baseline: np.ndarray, parent: np.ndarray) -> Interval:
    """Return (reward - baseline) / (parent - baseline); NaN where the parent gains nothing.

    Args:
        reward: of the compressed policy, ``[episodes]``; the others play the same episodes.
    """
    try:
        return normalised_score_interval(reward, baseline, parent)
    except InputError:  # in some resample the parent earns no more than the baseline
        return Interval(float("nan"), float("nan"), float("nan"), 0.95)


def check_gain(policies: Iterable[Any], setting: Any) -> None:
    """Check that policies earn more than the baseline, before they are compressed.

    Args:
        policies: the ways in which one bundle decides, see :func:`ways`.
        setting: a :class:`~edgewright.deploy.compression.Setting`.

    Raises:
        InputError: there is no gain of which a share could be kept.
    """
    base = setting.baseline()
    for policy in policies:
        reward = setting.rewards(policy)
        if np.isnan(share_kept(reward, base, reward).low):
            name = setting.scenario.evaluation.baseline
            message = f"the policy must earn more than {name} in every resample of the episodes; "
            message += f"it earns {np.mean(reward):+.4f} per slot, {name} {np.mean(base):+.4f}"
            hint = "leave the option out, train longer, or judge it on more episodes (--episodes)"
            raise InputError(message, where=OPTION, hint=hint)


def judged(row: Mapping[str, Any], name: str = "gain_kept") -> dict[str, float]:
    """Return ``estimate``, ``low`` and ``high`` of a ratio, by the way that keeps less.

    Args:
        row: a row of the table of a compression.
        name: of the ratio, ``gain_kept`` or ``score_ratio``.
    """
    endings = [ending for ending in (ANSWERED, PRICED) if f"{name}{ending}" in row]
    lowest = min(endings, key=lambda ending: row[f"{name}{ending}_low"])
    ends = {end: row[f"{name}{lowest}_{end}"] for end in ("low", "high")}
    return {"estimate": row[f"{name}{lowest}"], **ends}


def gains(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the parent of a compression earns more than the baseline."""
    return not any(np.isnan(judged(row)["low"]) for row in rows)


def check_gain_kept(rows: Sequence[Mapping[str, Any]], minimum: float) -> dict[str, Any]:
    """Return whether the last candidate keeps at least ``minimum`` of its parent's gain.

    The check passes if the *lower end* of the 95 % interval is at least ``minimum``, for every way
    in which the bundle decides.
    """
    ratio = judged(rows[-1])
    return {
        "min_gain_kept": minimum,
        "gain_kept": ratio["estimate"],
        "gain_kept_low": ratio["low"],
        "passed": bool(ratio["low"] >= minimum),
    }


__all__ = ["check_gain", "check_gain_kept", "gains", "judged", "share_kept", "ways"]
