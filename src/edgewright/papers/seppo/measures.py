"""From the table to the number of a claim, with its interval. Named in ``claims.toml``.

Rewards are compared by the score (R - R_random) / (R_rollout - R_random) on identical episodes. A
claim on several arms at once ("above all others") is measured on the one for which it is hardest,
so no correction for their number is needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewright.evaluation.joint_bootstrap import Means, joint_bootstrap
from edgewright.evaluation.statistics import Interval
from edgewright.papers.seppo.view import HEAVY, REFERENCE, View, score_of
from edgewright.studies.claim import Measured, measured

BOUNDS = {"bound": "no self-congestion", "fluid": "fluid"}
"""Upper bounds on the mean reward by their arm, as they are called in words."""

UNITS = {"delay_s": "s", "energy_j": "J", "score": "", "reward": ""}
SHOWN = {"delay_s": "delay", "energy_j": "energy", "score": "score", "reward": "reward"}


def _arms(view: View, names: Sequence[str], metric: str, world: str) -> dict[str, Any]:
    """Return the arrays of a metric of arms, with the anchors of the score."""
    array = "reward" if metric == "score" else metric
    wanted = [*names, "random", REFERENCE] if metric == "score" else [*names]
    return {n: {array: view.get(n, f"episodes/{array}", world)} for n in dict.fromkeys(wanted)}


def _value(means: Means, name: str, metric: str) -> np.ndarray:
    return score_of(means, name) if metric == "score" else means[name][metric]


def hardest(intervals: dict[str, Interval]) -> tuple[str, Interval]:
    """Return the comparison for which "above 0" is hardest to say."""
    return min(intervals.items(), key=lambda item: np.nan_to_num(item[1].low, nan=-np.inf))


def lead(
    view: View,
    ours: str,
    others: Sequence[str],
    metric: str = "score",
    lower: bool = False,
    world: str = HEAVY,
) -> Measured:
    """Measure by how much an arm is better than each of the others, at the closest of them."""
    leads = {}
    for other in others:
        arms = _arms(view, [ours, other], metric, world)

        def difference(means: Means, other: str = other) -> np.ndarray:
            gap = _value(means, ours, metric) - _value(means, other, metric)
            return -gap if lower else gap

        leads[other] = joint_bootstrap(arms, difference)
    closest, interval = hardest(leads)
    order = (closest, ours) if lower else (ours, closest)
    among = f", the closest of {len(others)}" if len(others) > 1 else ""
    quantity = f"{SHOWN[metric]} of {order[0]} less that of {order[1]}{among}"
    return measured(interval, quantity, view.seeds(ours, *others, world=world), UNITS[metric])


def relative(view: View, ours: str, other: str, metric: str, world: str = HEAVY) -> Measured:
    """Measure the relative difference of two arms, of a metric whose zero means something."""
    arms = _arms(view, [ours, other], metric, world)
    interval = joint_bootstrap(
        arms, lambda m: 100 * (_value(m, ours, metric) / _value(m, other, metric) - 1)
    )
    quantity = f"{SHOWN[metric]} of {ours} relative to {other}"
    return measured(interval, quantity, view.seeds(ours, other, world=world), "%")


def score_ratio(view: View, ours: str, other: str) -> Measured:
    """Measure the score of an arm over that of another."""
    arms = _arms(view, [ours, other], "score", HEAVY)

    def ratio(means: Means) -> np.ndarray:
        below = score_of(means, other)
        return score_of(means, ours) / np.where(below > 0, below, np.nan)

    quantity = f"score of {ours} over that of {other}"
    return measured(joint_bootstrap(arms, ratio), quantity, view.seeds(ours, other))


def percent_of_reward(
    view: View, ours: str, others: Sequence[str], sweep: str = "", of_ours: bool = False
) -> Measured:
    """Measure the paper's percentage of a reward: not comparable, for its zero is arbitrary.

    The mean over the worlds of a sweep of 100 (R_ours - R_other) / |R_other|, or, with ``of_ours``,
    100 R_other / R_ours. What a shift of all rewards by a constant would make of it is said.
    """
    (other,) = others
    worlds = view.worlds(sweep) if sweep else [HEAVY]
    arms: dict[str, Any] = {}
    for world in worlds:
        for name, arrays in _arms(view, [ours, other], "score", world).items():
            arms[f"{world} {name}"] = arrays

    def percentage(means: Means, shift: float = 0.0) -> np.ndarray:
        values = []
        for world in worlds:
            a = means[f"{world} {ours}"]["reward"] + shift
            b = means[f"{world} {other}"]["reward"] + shift
            values.append(100 * b / a if of_ours else 100 * (a - b) / np.abs(b))
        return np.mean(values, axis=0)

    def gap(means: Means) -> np.ndarray:
        scores = [
            score_of(means, f"{w} {ours}", f"{w} ") - score_of(means, f"{w} {other}", f"{w} ")
            for w in worlds
        ]
        return np.mean(scores, axis=0)

    interval, score = joint_bootstrap(arms, percentage), joint_bootstrap(arms, gap)
    shifted = joint_bootstrap(arms, lambda m: percentage(m, 1.0))
    why = (
        f"the zero of the reward is arbitrary (the same runs give {shifted.estimate:+.1f} % with 1 "
        f"added to every reward); the difference of scores is {score.estimate:+.3f} "
        f"[{score.low:+.3f}, {score.high:+.3f}]"
    )
    over = f", mean of {len(worlds)} numbers of servers" if sweep else ""
    formula = f"reward of {other} in % of that of {ours}" if of_ours else ""
    quantity = (formula or f"gain of {ours} over {other} in % of its reward") + over
    return measured(interval, quantity, view.seeds(ours, other, world=worlds[0]), "%", why_not=why)


def contribution(view: View, ours: str, tricks: str, modelling: Sequence[str]) -> Measured:
    """Measure what is lost without the modelling (mean of its parts), less without the tricks."""
    arms = _arms(view, [ours, tricks, *modelling], "score", HEAVY)

    def more(means: Means) -> np.ndarray:
        parts = np.mean([score_of(means, name) for name in modelling], axis=0)
        return (score_of(means, ours) - parts) - (score_of(means, ours) - score_of(means, tricks))

    quantity = (
        f"score lost without the modelling ({' and '.join(modelling)}, mean) less that lost "
        f"without the tricks ({tricks})"
    )
    return measured(joint_bootstrap(arms, more), quantity, view.seeds(ours, tricks, *modelling))


def way(view: View, ours: str, start: str, end: str, world: str = HEAVY) -> Measured:
    """Measure how far an arm goes on the way from one arm's reward (0) to another's (1)."""
    quantity = f"share of the way from {start} to {end} that {ours} goes{_on(world)}"
    interval = _way(view, ours, start, end, world)
    return measured(interval, quantity, view.seeds(ours, start, end, world=world))


def _way(view: View, ours: str, start: str, end: str, world: str) -> Interval:
    arms = {n: {"reward": view.get(n, "episodes/reward", world)} for n in (ours, start, end)}

    def share(m: Means) -> np.ndarray:
        span = m[end]["reward"] - m[start]["reward"]
        return (m[ours]["reward"] - m[start]["reward"]) / np.where(span > 0, span, np.nan)

    return joint_bootstrap(arms, share)


def _on(world: str) -> str:
    return "" if world == HEAVY else f" on aigc-{world}"


def unbeaten(view: View, ours: str, others: Sequence[str], world: str = HEAVY) -> Measured:
    """Measure the lead over policies that anybody can play; the way to a bound is said.

    That an optimum is reached cannot be shown where only a bound above it is known. That it is not
    can be: another policy earns more.
    """
    closest = lead(view, ours, others, world=world)
    bounds = [name for name in BOUNDS if view.key(name, world) in view.table.results]
    least = min(bounds, key=lambda name: float(view.get(name, "episodes/reward", world).mean()))
    share = _way(view, ours, "greedy", least, world)
    numbers = [100 * x for x in (share.estimate, share.low, share.high)]
    quantity = (
        f"{closest.quantity}{_on(world)}; it goes {numbers[0]:.0f} % "
        f"[{numbers[1]:.0f}, {numbers[2]:.0f}] of the way "
        f"from greedy to an upper bound ({BOUNDS[least]}) that may be out of reach"
    )
    return dataclasses.replace(closest, quantity=quantity)
