"""Claims on the speed, level and steadiness of learning curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.evaluation.joint_bootstrap import Means, joint_bootstrap
from edgewright.papers.seppo.measures import SHOWN, UNITS
from edgewright.papers.seppo.view import REFERENCE, View
from edgewright.studies.claim import Measured, measured

EARLY = 0.2
"""Share of the training that counts as early."""

NEAR = 0.1
"""A curve is steady within this share of the way that it has gone from greedy's level."""

PARTS = {
    "early": "mean {} in the first fifth of the training",
    "wobble": "mean change of the {} between two evaluations in the second half of the training",
}


def curves_of(view: View, name: str, metric: str = "score") -> tuple[np.ndarray, np.ndarray]:
    """Return the steps ``[marks]`` and values ``[seeds, marks]`` of a learner's evaluations.

    Each value is a mean over episodes already, and the anchors of the score are taken as they are:
    intervals of curves are over seeds alone.
    """
    steps = view.get(name, "curves/steps")[0]
    if metric != "score":
        return steps, view.get(name, f"curves/{metric}")
    low = view.get("random", "episodes/reward").mean()
    high = view.get(REFERENCE, "episodes/reward").mean()
    return steps, (view.get(name, "curves/reward") - low) / (high - low)


def part_of(values: np.ndarray, part: str) -> np.ndarray:
    """Return a number of each curve ``[seeds]``, see `PARTS`."""
    marks = values.shape[1]
    if part == "early":
        return values[:, : max(1, round(EARLY * marks))].mean(axis=1)
    return np.abs(np.diff(values[:, marks // 2 :], axis=1)).mean(axis=1)


def curve_lead(
    view: View,
    ours: Sequence[str],
    others: Sequence[str],
    part: str,
    metric: str = "score",
    lower: bool = False,
) -> Measured:
    """Measure the lead of each of ``ours`` over each of ``others`` in a part of the curves."""
    intervals = {}
    for a in ours:
        for b in others:
            arms = {
                name: {"x": part_of(curves_of(view, name, metric)[1], part)[:, None]}
                for name in (a, b)
            }
            sign = -1.0 if lower else 1.0
            interval = joint_bootstrap(
                arms, lambda m, a=a, b=b, sign=sign: sign * (m[a]["x"] - m[b]["x"])
            )
            intervals[(b, a) if lower else (a, b)] = interval
    pair, interval = min(intervals.items(), key=lambda item: item[1].low)
    among = f", the closest of {len(intervals)} pairs" if len(intervals) > 1 else ""
    quantity = f"{PARTS[part].format(SHOWN[metric])}, {pair[0]} less {pair[1]}{among}"
    return measured(interval, quantity, view.seeds(*ours, *others), UNITS[metric])


def steady(view: View, ours: str, published: float) -> Measured:
    """Measure after how many steps the mean curve stays near its end.

    Near is within `NEAR` of the way from greedy's level to the end, the mean of the last three.
    """
    steps, rewards = view.get(ours, "curves/steps")[0], view.get(ours, "curves/reward")
    start = view.get("greedy", "episodes/reward").mean()

    def first(means: Means) -> np.ndarray:
        curve = means[ours]["curve"]
        final = curve[:, -3:].mean(axis=1, keepdims=True)
        away = np.abs(curve - final) > NEAR * np.abs(final - start)
        last = np.where(away.any(axis=1), curve.shape[1] - np.argmax(away[:, ::-1], axis=1), 0)
        return steps[np.minimum(last, curve.shape[1] - 1)]

    interval = joint_bootstrap({ours: {"curve": rewards[:, None, :]}}, first)
    quantity = (
        f"steps until {ours} stays within {100 * NEAR:.0f} % of its way from greedy's level to its "
        f"last, of {steps[-1]:.0f}"
    )
    if interval.estimate == steps[0]:
        quantity += " (it is at the first evaluation; when before, is not known)"
    short = steps[-1] < 2 * published
    why = f"a training of {steps[-1]:.0f} steps is too short to say" if short else ""
    return measured(interval, quantity, rewards.shape[0], "steps", why_not=why)
