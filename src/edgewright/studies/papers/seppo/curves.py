"""Claims on learning curves: how early, how late, how calm, when steady."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.studies.joint import Means, joint_bootstrap
from edgewright.studies.papers.seppo.view import REFERENCE, View
from edgewright.studies.study import Measured

EARLY = 0.2
"""Share of the training that counts as early."""

NEAR = 0.05
"""Within this much of its final score a curve counts as steady."""

PARTS = {
    "early": "mean score in the first fifth of the training",
    "wobble": "mean change of the score between two evaluations in the second half of the training",
}


def score_curves(view: View, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps ``[marks]`` and scores ``[seeds, marks]`` of a learner's evaluations."""
    low = view.get("random", "episodes/reward").mean()
    high = view.get(REFERENCE, "episodes/reward").mean()
    rewards = view.get(name, "curves/reward")
    return view.get(name, "curves/steps")[0], (rewards - low) / (high - low)


def part_of(scores: np.ndarray, part: str) -> np.ndarray:
    """Return a number of each curve ``[seeds]``, see `PARTS`."""
    marks = scores.shape[1]
    if part == "early":
        return scores[:, : max(1, round(EARLY * marks))].mean(axis=1)
    return np.abs(np.diff(scores[:, marks // 2 :], axis=1)).mean(axis=1)


def curve_lead(
    view: View, ours: Sequence[str], others: Sequence[str], part: str, lower: bool = False
) -> Measured:
    """Measure the lead of each of ``ours`` over each of ``others`` in a part of the curves."""
    found = {}
    for a in ours:
        for b in others:
            arms = {
                name: {"x": part_of(score_curves(view, name)[1], part)[:, None]} for name in (a, b)
            }
            sign = -1.0 if lower else 1.0
            interval = joint_bootstrap(
                arms, lambda m, a=a, b=b, sign=sign: sign * (m[a]["x"] - m[b]["x"])
            )
            found[(b, a) if lower else (a, b)] = interval
    pair, interval = min(found.items(), key=lambda item: item[1].low)
    among = f", the closest of {len(found)} pairs" if len(found) > 1 else ""
    says = f"{PARTS[part]}, {pair[0]} less {pair[1]}{among}"
    seeds = view.seeds(*ours, *others)
    return Measured(interval.estimate, interval.low, interval.high, says, seeds)


def steady(view: View, ours: str, published: float) -> Measured:
    """Measure after how many steps the mean curve stays within `NEAR` of its final score."""
    steps, scores = score_curves(view, ours)

    def first(means: Means) -> np.ndarray:
        curve = means[ours]["curve"]
        final = curve[:, -3:].mean(axis=1, keepdims=True)
        away = np.abs(curve - final) > NEAR
        last = np.where(away.any(axis=1), curve.shape[1] - np.argmax(away[:, ::-1], axis=1), 0)
        return steps[np.minimum(last, curve.shape[1] - 1)]

    interval = joint_bootstrap({ours: {"curve": scores[:, None, :]}}, first)
    says = f"steps until {ours} stays within {NEAR} of its final score, of {steps[-1]:.0f}"
    why = ""
    if steps[-1] < 2 * published:
        why = f"a training of {steps[-1]:.0f} steps is too short to say"
    return Measured(
        interval.estimate, interval.low, interval.high, says, scores.shape[0], "steps", why
    )
