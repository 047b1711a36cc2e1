"""Claims on what a policy does by user mode, by charge, over an episode and over battery life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgewright.evaluation.joint_bootstrap import Means, joint_bootstrap
from edgewright.evaluation.statistics import Interval
from edgewright.papers.seppo.probes import LIFE_SLOTS
from edgewright.papers.seppo.view import View
from edgewright.studies.claim import Measured, measured
from edgewright.systems.aigc.behaviour import MODES

LEVELS = ("low", "medium", "high")
KINDS = [f"{location}_{level}" for location in ("local", "offload") for level in range(3)]
BINS = {"high": 0, "middle": 1, "low": 2}
"""Bins of charge, in the order of ``behaviour.CHARGE_BINS``."""

METRICS = {"quality": ("quality", ""), "delay_s": ("delay", "s")}


def kind_name(kind: str) -> str:
    """Return ``"offload high"`` for ``"offload_2"``."""
    location, level = kind.split("_")
    return f"{location} {LEVELS[int(level)]}"


def mode_order(view: View, ours: str, metric: str) -> Measured:
    """Measure the smaller of the two steps of a metric from preview to balanced to best."""
    arrays = {n: view.get(ours, f"modes/{n}") for n in ("tasks", metric)}
    steps = {
        f"{MODES[n + 1]} less {MODES[n]}": joint_bootstrap(
            {ours: arrays},
            lambda m, n=n: _by(m, ours, metric)[:, n + 1] - _by(m, ours, metric)[:, n],
        )
        for n in range(2)
    }
    name, interval = min(steps.items(), key=lambda item: item[1].low)
    word, unit = METRICS[metric]
    quantity = f"{word} of {ours}, {name}, the smaller of two steps"
    return measured(interval, quantity, view.seeds(ours), unit)


def _by(means: Means, ours: str, metric: str) -> np.ndarray:
    return means[ours][metric] / means[ours]["tasks"]


def most_share(view: View, ours: str, kind: str) -> Measured:
    """Measure the largest share over the bins of charge of a kind of action."""
    intervals = {name: _share(view, ours, kind, band) for name, band in BINS.items()}
    name, interval = max(intervals.items(), key=lambda item: item[1].high)
    quantity = f"share of {kind_name(kind)} of {ours} at {name} charge, where it is largest"
    return measured(interval, quantity, view.seeds(ours), "%")


def share(view: View, ours: str, kind: str, charge: str) -> Measured:
    """Measure the share of a kind of action in a bin of charge."""
    interval = _share(view, ours, kind, BINS[charge])
    quantity = f"share of {kind_name(kind)} of {ours} at {charge} charge"
    return measured(interval, quantity, view.seeds(ours), "%")


def share_rise(view: View, ours: str, kind: str) -> Measured:
    """Measure the share of a kind of action at low charge less that at high charge."""
    arrays = _charge(view, ours, [kind])
    interval = joint_bootstrap(
        {ours: arrays},
        lambda m: _percent(m[ours], kind, BINS["low"]) - _percent(m[ours], kind, BINS["high"]),
    )
    quantity = f"share of {kind_name(kind)} of {ours} at low charge less that at high charge"
    return measured(interval, quantity, view.seeds(ours), "points")


def share_lead(view: View, ours: str, kind: str, charge: str) -> Measured:
    """Measure the lead of a kind of action over the next most frequent in a bin of charge."""
    arrays = _charge(view, ours, KINDS)
    band = BINS[charge]
    intervals = {
        other: joint_bootstrap(
            {ours: arrays},
            lambda m, other=other: _percent(m[ours], kind, band) - _percent(m[ours], other, band),
        )
        for other in KINDS
        if other != kind
    }
    other, interval = min(intervals.items(), key=lambda item: item[1].low)
    quantity = (
        f"share of {kind_name(kind)} less that of {kind_name(other)} of {ours} at {charge} charge"
    )
    return measured(interval, quantity, view.seeds(ours), "points")


def saving(view: View, ours: str) -> Measured:
    """Measure how much less a task draws from the battery at low charge than at high charge."""
    arrays = _charge(view, ours, ["device_energy_j"])

    def less(means: Means) -> np.ndarray:
        per_task = means[ours]["device_energy_j"] / means[ours]["tasks"]
        return per_task[:, BINS["high"]] - per_task[:, BINS["low"]]

    quantity = f"battery energy per task of {ours} at high charge less that at low charge"
    return measured(joint_bootstrap({ours: arrays}, less), quantity, view.seeds(ours), "J")


def _charge(view: View, ours: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    return {name: view.get(ours, f"charge/{name}") for name in ("tasks", *names)}


def _percent(means: Mapping[str, np.ndarray], kind: str, band: int) -> np.ndarray:
    return 100 * means[kind][:, band] / means["tasks"][:, band]


def _share(view: View, ours: str, kind: str, band: int) -> Interval:
    arrays = _charge(view, ours, [kind])
    return joint_bootstrap({ours: arrays}, lambda m: _percent(m[ours], kind, band))


def rise_in_episode(view: View, ours: str) -> Measured:
    """Measure the delay in the last fifth of an episode less that in the first fifth."""
    names = [f"{part}_{what}" for part in ("first", "last") for what in ("tasks", "delay_s")]
    arrays = {name: view.get(ours, f"drift/{name}") for name in names}

    def rise(means: Means) -> np.ndarray:
        m = means[ours]
        return m["last_delay_s"] / m["last_tasks"] - m["first_delay_s"] / m["first_tasks"]

    quantity = f"delay of {ours} in the last fifth of an episode less that in the first"
    return measured(joint_bootstrap({ours: arrays}, rise), quantity, view.seeds(ours), "s")


def life(view: View, ours: str, others: Sequence[str]) -> Measured:
    """Measure how many more tasks a full battery serves than with each of the others, in %.

    Worse quality and more refused tasks make a battery last; both are reported.
    """
    intervals = {}
    for other in others:
        arms = {name: {"tasks": view.get(name, "life/tasks")} for name in (ours, other)}
        intervals[other] = joint_bootstrap(
            arms, lambda m, other=other: 100 * (m[ours]["tasks"] / m[other]["tasks"] - 1)
        )
    other, interval = min(intervals.items(), key=lambda item: item[1].low)
    among = f", the closest of {len(others)}" if len(others) > 1 else ""
    quantity = (
        f"tasks of {ours} from a full battery to the floor ({_lived(view, ours)}) relative to "
        f"{other} ({_lived(view, other)}){among}"
    )
    ended = min(view.get(name, "life/ended").mean() for name in (ours, other))
    if ended < 1:
        quantity += (
            f", cut at {LIFE_SLOTS} slots where the battery did not end ({100 * ended:.0f} % did)"
        )
    return measured(interval, quantity, view.seeds(ours), "%")


def _lived(view: View, name: str) -> str:
    tasks, slots = (view.get(name, f"life/{what}").mean() for what in ("tasks", "slots"))
    quality = view.get(name, "life/quality").mean()
    return f"{tasks:.0f} of quality {quality:.3f}, {100 * refused(tasks, slots):.1f} % refused"


def refused(tasks: float, slots: float) -> float:
    """Return the share of the slots of a battery life in which the task was not served."""
    return max(0.0, 1 - tasks / slots)  # means of whole numbers are not whole
