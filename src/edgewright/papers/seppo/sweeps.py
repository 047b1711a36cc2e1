"""Claims on a sweep of worlds, such as the numbers of servers of Figs 8 and 9."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from edgewright.evaluation.joint_bootstrap import Means, joint_bootstrap
from edgewright.papers.seppo.measures import SHOWN, UNITS, hardest, lead
from edgewright.papers.seppo.view import View
from edgewright.studies.claim import Measured, measured


def sweep_lead(
    view: View,
    ours: str,
    others: Sequence[str],
    metric: str,
    sweep: str = "servers-",
    lower: bool = False,
) -> Measured:
    """Measure the lead at the world and the other arm for which it is smallest."""
    intervals = {w: lead(view, ours, others, metric, lower, w) for w in view.worlds(sweep)}
    world, worst = min(intervals.items(), key=lambda item: np.nan_to_num(item[1].low, nan=-np.inf))
    where = world.replace("-", " = ")
    quantity = f"{worst.quantity}, at {where}, the smallest of {len(intervals)} leads"
    return Measured(worst.estimate, worst.low, worst.high, quantity, worst.seeds, worst.unit)


def growth(
    view: View,
    ours: str,
    metric: str = "reward",
    sweep: str = "servers-",
    lower: bool = False,
    relative_to: str = "",
    stepwise: bool = False,
) -> Measured:
    """Measure how a metric changes from the first to the last world of a sweep.

    With ``stepwise`` the smallest change between neighbours; with ``relative_to`` in units of the
    change of another arm.
    """
    worlds = view.worlds(sweep)
    arms = {
        f"{world} {name}": {metric: view.get(name, f"episodes/{metric}", world)}
        for world in worlds
        for name in ([ours, relative_to] if relative_to else [ours])
    }
    sign = -1.0 if lower else 1.0

    def change(means: Means, a: str, b: str, name: str) -> np.ndarray:
        return sign * (means[f"{b} {name}"][metric] - means[f"{a} {name}"][metric])

    seeds = view.seeds(ours, world=worlds[0])
    word = f"{'fall' if lower else 'growth'} of the {SHOWN[metric]} of {ours}"
    ends = f"from {worlds[0].replace('-', ' = ')} to {worlds[-1].replace('-', ' = ')}"
    unit = UNITS.get(metric, "")
    if stepwise:
        pairs = list(itertools.pairwise(worlds))
        intervals = {
            f"{a} to {b}": joint_bootstrap(arms, lambda m, a=a, b=b: change(m, a, b, ours))
            for a, b in pairs
        }
        step, interval = hardest(intervals)
        return measured(interval, f"smallest {word} between neighbours ({step})", seeds, unit)
    if relative_to:
        interval = joint_bootstrap(
            arms,
            lambda m: (
                change(m, worlds[0], worlds[-1], ours)
                / change(m, worlds[0], worlds[-1], relative_to)
            ),
        )
        return measured(interval, f"{word} {ends}, over that of {relative_to}", seeds)
    interval = joint_bootstrap(arms, lambda m: change(m, worlds[0], worlds[-1], ours))
    return measured(interval, f"{word} {ends}", seeds, unit)


def next_to(
    view: View, ours: str, nearest: str, others: Sequence[str], metric: str, sweep: str = "servers-"
) -> Measured:
    """Measure how much nearer one arm is to ours than the others are, averaged over a sweep."""
    worlds, names = view.worlds(sweep), (ours, nearest, *others)
    arms = {
        f"{world} {name}": {metric: view.get(name, f"episodes/{metric}", world)}
        for world in worlds
        for name in names
    }

    def distance(means: Means, name: str) -> np.ndarray:
        gaps = [means[f"{w} {name}"][metric] - means[f"{w} {ours}"][metric] for w in worlds]
        return np.mean(np.abs(gaps), axis=0)

    intervals = {
        other: joint_bootstrap(arms, lambda m, o=other: distance(m, o) - distance(m, nearest))
        for other in others
    }
    closest, interval = hardest(intervals)
    quantity = (
        f"distance in {SHOWN[metric]} from {ours} to {closest} less that to {nearest}, mean of "
        f"{len(worlds)} numbers of servers, the closest of {len(others)}"
    )
    return measured(interval, quantity, view.seeds(*names, world=worlds[0]), UNITS[metric])


def sweep_wobble(
    view: View, calm: str, wild: str, metric: str, sweep: str = "servers-"
) -> Measured:
    """Measure how much more one arm turns from server to server: mean size of second differences.

    Noise of the means adds to it on both sides.
    """
    worlds = view.worlds(sweep)
    arms = {
        f"{world} {name}": {metric: view.get(name, f"episodes/{metric}", world)}
        for world in worlds
        for name in (calm, wild)
    }

    def turns(means: Means, name: str) -> np.ndarray:
        values = np.stack([means[f"{world} {name}"][metric] for world in worlds])
        return np.abs(np.diff(values, n=2, axis=0)).mean(axis=0)

    quantity = f"mean turn of the {SHOWN[metric]} over the numbers of servers, {wild} less {calm}"
    seeds = view.seeds(calm, wild, world=worlds[0])
    if len(worlds) < 3:
        why = f"{len(worlds)} numbers of servers have no turn"
        return Measured(math.nan, math.nan, math.nan, quantity, seeds, UNITS[metric], why)
    interval = joint_bootstrap(arms, lambda m: turns(m, wild) - turns(m, calm))
    return measured(interval, quantity, seeds, UNITS[metric])
