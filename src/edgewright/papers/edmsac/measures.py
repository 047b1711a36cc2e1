"""From the table of the EDMSAC study to the number of a claim. Named in ``claims.toml``.

Learners are compared on the same markets, and seed ``s`` of one with seed ``s`` of the other: the
exploration, the initialisation where shapes agree, and the markets of a seed are the same. A gain
in per cent is of the profit from rational servers, which has a zero that means something.
"""

from __future__ import annotations

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap, joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.papers.edmsac.view import METRICS, View
from edgewright.papers.edmsac.worlds import PAIRS
from edgewright.studies.claim import Measured, measured
from edgewright.studies.claims_file import Measures

SOLD = 0.05
"""Share of the optimum below which a profit is near zero, and no per cent of it is stated."""


def difference(view: View, ours: str, other: str, metric: str, world: str = "") -> Interval:
    """Return the mean of one learner less that of another, over paired seeds and episodes."""
    arms = _pair(view, ours, other, metric, world)
    return joint_bootstrap(arms, lambda m: m["a"]["x"] - m["b"]["x"], paired_seeds=True)


def gain_interval(view: View, ours: str, other: str, world: str = "") -> Interval:
    """Return the gain in profit in per cent of the other's, over paired seeds and episodes."""
    arms = _pair(view, ours, other, "profit", world)
    return joint_bootstrap(
        arms, lambda m: 100 * (m["a"]["x"] - m["b"]["x"]) / np.abs(m["b"]["x"]), paired_seeds=True
    )


def gain(view: View, ours: str, other: str) -> Measured:
    """Measure the gain in profit in per cent of the other's profit."""
    quantity = f"profit of {ours} less that of {other}, in per cent of it, paired seeds"
    interval = gain_interval(view, ours, other)
    return measured(interval, quantity, view.seeds(ours, other), "%", why_not=_unsold(view, other))


def largest_gain(view: View, learners: list[str]) -> Measured:
    """Measure the largest gain over the grid, beside its mean and its worst cell.

    Cells in which the other learner sells next to nothing have no per cent, and are counted.
    """
    intervals: dict[str, Interval] = {}
    unsold = 0
    for world, ours, other in PAIRS:
        if not (view.has(ours, world) and view.has(other, world)):
            continue
        if _unsold(view, other, world):
            unsold += 1
            continue
        intervals[f"{world} {ours}"] = gain_interval(view, ours, other, world)
    best, interval = max(intervals.items(), key=lambda item: item[1].estimate)
    worst = min(intervals.items(), key=lambda item: item[1].estimate)
    mean = np.mean([one.estimate for one in intervals.values()])
    quantity = (
        f"largest gain of {learners[0]} over {learners[1]} among {len(intervals)} cells, at "
        f"{best}; mean {mean:+.2f} %, worst {worst[1].estimate:+.2f} % at {worst[0]}; "
        f"{unsold} cells without a profit to compare with"
    )
    world = best.split(" ")[0]
    return measured(interval, quantity, len(view.get(learners[1], "profit", world)), "%")


def ceiling(view: View, other: str) -> Measured:
    """Measure the largest gain that any learner could have: the optimum less the other's profit."""
    arms = {name: {"x": view.get(name)} for name in ("bound", other)}
    interval = joint_bootstrap(
        arms, lambda m: 100 * (m["bound"]["x"] - m[other]["x"]) / np.abs(m[other]["x"])
    )
    quantity = f"optimum less the profit of {other}, in per cent of it"
    return measured(interval, quantity, view.seeds(other), "%", why_not=_unsold(view, other))


def gap_closed(view: View, ours: str, other: str) -> Measured:
    """Measure which share of what the other leaves of the optimum is earned, in per cent."""
    arms = {name: {"x": view.get(name)} for name in (ours, other, "bound")}
    interval = joint_bootstrap(
        arms,
        lambda m: 100 * (m[ours]["x"] - m[other]["x"]) / (m["bound"]["x"] - m[other]["x"]),
        paired_seeds=True,
    )
    quantity = f"share of the gap from {other} to the optimum that {ours} closes"
    return measured(interval, quantity, view.seeds(ours, other), "%")


def lead(view: View, ours: str, other: str, metric: str = "share") -> Measured:
    """Measure the difference of a metric, for the share of the optimum in points of per cent."""
    interval = difference(view, ours, other, metric)
    if metric == "share":
        ends = (100 * interval.low, 100 * interval.high)
        interval = Interval(100 * interval.estimate, *ends, interval.confidence)
    quantity = f"{METRICS[metric][1]} of {ours} less that of {other}, paired seeds"
    unit = "%" if metric == "share" else ""
    return measured(interval, quantity, view.seeds(ours, other), unit)


def share(view: View, ours: str) -> Measured:
    """Measure the share of the optimum that rational servers leave the cloud, in per cent."""
    interval = joint_mean(100 * view.get(ours, "share"))
    return measured(interval, f"share of the optimum of {ours}", view.seeds(ours), "%")


def quantile(view: View, ours: str) -> Measured:
    """Measure the 5 % quantile of that share over the markets, its mean over seeds."""
    each = 100 * np.quantile(view.get(ours, "share"), 0.05, axis=1)[:, None]
    quantity = f"5 % quantile over markets of the share of the optimum of {ours}"
    return measured(joint_mean(each), quantity, len(each), "%")


def size(view: View, ours: str, other: str) -> Measured:
    """Measure the parameters of an actor as deployed, in per cent of another's."""
    interval = joint_mean(100 * view.actor(ours, "parameters") / view.actor(other, "parameters"))
    quantity = f"parameters of the actor of {ours} in per cent of those of {other}"
    return measured(interval, quantity, view.seeds(ours, other), "%")


def speedup(view: View, ours: str, other: str, batch: int) -> Measured:
    """Measure how many times faster an actor without its masked units turns noise to menus."""
    arms = {name: {"x": view.duration(name, batch)} for name in (ours, other)}
    interval = joint_bootstrap(arms, lambda m: m[other]["x"] / m[ours]["x"])
    quantity = f"duration of {other} over that of {ours}, {batch} markets at once, repeats of one"
    return measured(interval, quantity, 1)


def _pair(
    view: View, ours: str, other: str, metric: str, world: str
) -> dict[str, dict[str, np.ndarray]]:
    first, second = (view.get(name, metric, world) for name in (ours, other))
    count = min(len(first), len(second))  # sweeps have the first half of the seeds
    return {"a": {"x": first[:count]}, "b": {"x": second[:count]}}


def _unsold(view: View, other: str, world: str = "") -> str:
    """Return why no per cent of a profit is stated; empty if it may be."""
    least = float(view.get(other, "share", world).mean())
    if least >= SOLD:
        return ""
    return f"{other} has {least:.2f} of the optimum: a per cent of next to nothing says nothing"


MEASURES: Measures = {
    "gain": gain,
    "largest_gain": largest_gain,
    "ceiling": ceiling,
    "gap_closed": gap_closed,
    "lead": lead,
    "share": share,
    "quantile": quantile,
    "size": size,
    "speedup": speedup,
}
