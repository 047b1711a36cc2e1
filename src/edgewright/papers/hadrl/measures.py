"""From the table of the HADRL study to the number of a claim. Named in ``claims.toml``.

Policies are compared on identical held-out episodes, greedily, without noise. A claim on several
policies or worlds at once is measured where it is hardest, so it needs no correction for their
number.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from edgewright.evaluation.joint_bootstrap import Means, joint_bootstrap, joint_mean
from edgewright.evaluation.statistics import Interval
from edgewright.papers.hadrl.view import METRICS, View
from edgewright.papers.hadrl.worlds import SWEEPS, worlds_in
from edgewright.studies.claim import Measured, measured
from edgewright.studies.claims_file import Measures


def difference(view: View, ours: str, other: str, metric: str, world: str = "") -> Interval:
    """Return the mean of one policy less that of another on the same episodes."""
    arms = {
        side: {"x": view.get(name, metric, world)} for side, name in (("a", ours), ("b", other))
    }
    return joint_bootstrap(arms, lambda m: m["a"]["x"] - m["b"]["x"])


def ratio(view: View, ours: str, other: str, metric: str, world: str = "") -> Interval:
    """Return the relative difference to another policy in per cent of that policy."""
    arms = {
        side: {"x": view.get(name, metric, world)} for side, name in (("a", ours), ("b", other))
    }
    return joint_bootstrap(arms, lambda m: 100 * (m["a"]["x"] - m["b"]["x"]) / np.abs(m["b"]["x"]))


def lead(
    view: View, ours: str, others: Sequence[str], metric: str, lower: bool = False
) -> Measured:
    """Measure by how much a policy is better than each of the others, at the hardest to show."""
    pairs = {other: (other, ours) if lower else (ours, other) for other in others}
    leads = {other: difference(view, *pair, metric) for other, pair in pairs.items()}
    closest, interval = _hardest(leads)
    first, second = (view.named(name) for name in pairs[closest])
    among = f", the hardest to show of {len(others)}" if len(others) > 1 else ""
    quantity = f"{METRICS[metric].words} of {first} less that of {second}{among}"
    return measured(interval, quantity, view.seeds(ours, *others), METRICS[metric].unit)


def relative(view: View, ours: str, other: str, metric: str) -> Measured:
    """Measure the relative difference of two policies, of a metric whose zero has a meaning."""
    interval = ratio(view, ours, other, metric)
    quantity = f"relative difference in {METRICS[metric].words}, {ours} less {other}"
    return measured(interval, quantity, view.seeds(ours, other), "%")


def gap_closed(view: View, ours: str, low: str) -> Measured:
    """Measure which part of the gap from a rule to the upper bound a policy closes, in per cent."""
    arms = {name: {"x": view.get(name, "reward")} for name in (ours, low, "bound")}
    interval = joint_bootstrap(
        arms, lambda m: 100 * (m[ours]["x"] - m[low]["x"]) / (m["bound"]["x"] - m[low]["x"])
    )
    quantity = f"share of the gap from {view.named(low)} to the bound that {ours} closes"
    return measured(interval, quantity, view.seeds(ours), "%")


def level(view: View, ours: str, metric: str, over: str, highest: bool = False) -> Measured:
    """Measure a mean in all worlds of a sweep or variant: the lowest, or the highest."""
    means = {
        world: joint_mean(view.get(ours, metric, world))
        for _, world in worlds_in(over, view.table.results)
    }
    pick = max if highest else min
    world, interval = pick(means.items(), key=lambda item: item[1].estimate)
    which = "highest" if highest else "lowest"
    quantity = f"{METRICS[metric].words} of {ours} in {world}, the {which} of {len(means)}"
    return measured(interval, quantity, view.seeds(ours, world=world), METRICS[metric].unit)


def lead_over(
    view: View, ours: str, others: Sequence[str], metric: str, over: str, lower: bool = False
) -> Measured:
    """Measure a lead at the world and the other policy for which it is hardest to show."""
    pairs = {
        (world, other): (other, ours) if lower else (ours, other)
        for _, world in worlds_in(over, view.table.results)
        for other in others
    }
    leads = {
        f"{world} {other}": difference(view, *pair, metric, world)
        for (world, other), pair in pairs.items()
    }
    closest, interval = _hardest(leads)
    world, other = closest.split(" ")
    first, second = pairs[world, other]
    quantity = f"{METRICS[metric].words} of {first} less that of {second} in {world}"
    quantity += f", the hardest to show of {len(leads)} leads"
    seeds = view.seeds(ours, other, world=world)
    return measured(interval, quantity, seeds, METRICS[metric].unit)


def growth(view: View, ours: str, metric: str, over: str, lower: bool = False) -> Measured:
    """Measure the change of a metric between neighbours of a sweep that is hardest to show."""
    worlds = [world for _, world in worlds_in(over, view.table.results)]
    arms = {world: {"x": view.get(ours, metric, world)} for world in worlds}
    sign = -1.0 if lower else 1.0
    steps = {}
    for a, b in itertools.pairwise(worlds):

        def change(means: Means, a: str = a, b: str = b) -> np.ndarray:
            return sign * (means[b]["x"] - means[a]["x"])

        steps[f"{a} to {b}"] = joint_bootstrap({a: arms[a], b: arms[b]}, change)
    step, interval = _hardest(steps)
    word = "fall" if lower else "growth"
    along = SWEEPS[over].words
    quantity = f"{word} of the {METRICS[metric].words} of {ours} along {along}, hardest at {step}"
    seeds = min(view.seeds(ours, world=world) for world in worlds)
    return measured(interval, quantity, seeds, METRICS[metric].unit)


def decision(view: View, ours: str) -> Measured:
    """Measure the duration of one decision in milliseconds."""
    interval = joint_mean(view.decision_ms(ours))
    quantity = f"duration of a decision of {ours}, over {view.decision_ms(ours).size} repeats"
    return measured(interval, quantity, 1, "ms")


def _hardest(intervals: dict[str, Interval]) -> tuple[str, Interval]:
    """Return the comparison for which "above 0" is hardest to say."""
    return min(intervals.items(), key=lambda item: np.nan_to_num(item[1].low, nan=-np.inf))


MEASURES: Measures = {
    "lead": lead,
    "relative": relative,
    "gap_closed": gap_closed,
    "level": level,
    "lead_over": lead_over,
    "growth": growth,
    "decision": decision,
}
