"""Turn a closed loop on the testbed into plain numbers with intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewright.testbed.blocks import Series, series
from edgewright.testbed.gap import Bootstrap, difference, outcomes_of
from edgewright.testbed.loop import AFTER, BEFORE, KNOWN, NEW, OLD, Block, LoopRun
from edgewright.testbed.objective import DONE, FAILED
from edgewright.testbed.report import LATE, LATE_SHARE

BIN_S = 2.0
"""Seconds of the timeline over which rewards are averaged."""


def loop_report(run: LoopRun, machine: dict[str, Any]) -> dict[str, Any]:
    """Return everything that a closed loop measured, with 95 % bootstrap intervals.

    Args:
        machine: facts of :func:`~edgewright.core.machine.machine_facts`.
    """
    arms = _arms(run)
    bootstrap = Bootstrap(_requests(run))
    changed = {name: one for (phase, name), one in arms.items() if phase == AFTER}
    differences = _differences(bootstrap, arms, changed)
    return {
        "machine": machine,
        "conditions": _conditions(run),
        "scores": [
            {"workers": phase, "policy": name, **outcomes_of(bootstrap, one)}
            for (phase, name), one in arms.items()
        ],
        "differences": differences,
        "recovered": _recovered(differences),
        "drift": {"decisions": run.alarm.decisions, **run.alarm.report.facts()},
        "calibration": _calibration(run),
        "update": {"passed": not run.refused, "refused": run.refused, **run.update},
        "swap": _swap(run),
        "validity": _validity(run),
        "timeline": _timeline(run),
        "marks": [{"at_s": at, "what": text} for at, text in run.marks],
        "seconds": run.seconds,
    }


def _arms(run: LoopRun) -> dict[tuple[str, str], Series]:
    """Return the numbers of each policy on each state of the workers, blocks by their number."""
    order = {(BEFORE, OLD): [], (AFTER, OLD): [], (AFTER, NEW): [], (AFTER, KNOWN): []}
    result: dict[tuple[str, str], list[Block]] = order
    for block in run.blocks:
        result[block.phase, block.policy].append(block)
    return {
        key: series(
            [one.requests for one in blocks], [one.outcomes for one in blocks], run.objective
        )
        for key, each in result.items()
        if (blocks := sorted(each, key=lambda one: one.number))
    }


def _requests(run: LoopRun) -> list[Any]:
    blocks = [one for one in run.blocks if (one.phase, one.policy) == (BEFORE, OLD)]
    return [one.requests for one in sorted(blocks, key=lambda one: one.number)]


def _differences(
    bootstrap: Bootstrap, arms: dict[tuple[str, str], Series], changed: dict[str, Series]
) -> dict[str, Any]:
    """Return paired differences on the same requests, the first named minus the second."""
    pairs = {
        "old policy, slow worker minus before": (arms[AFTER, OLD], arms[BEFORE, OLD]),
        f"{KNOWN} minus {OLD}": (changed[KNOWN], changed[OLD]),
    }
    if NEW in changed:
        pairs[f"{NEW} minus {OLD}"] = (changed[NEW], changed[OLD])
        pairs[f"{NEW} minus {KNOWN}"] = (changed[NEW], changed[KNOWN])
    return {name: difference(bootstrap, *pair) for name, pair in pairs.items()}


def _recovered(differences: dict[str, Any]) -> float | None:
    """Return the share of what the policy that knows the slow worker gains on the old one.

    None where no update passed, or where the interval of that gain holds 0.
    """
    gain = differences[f"{KNOWN} minus {OLD}"]["reward"]
    updated = differences.get(f"{NEW} minus {OLD}")
    if updated is None or gain["low"] <= 0.0:
        return None
    return updated["reward"]["value"] / gain["value"]


def _conditions(run: LoopRun) -> dict[str, Any]:
    setup, requests = run.setup, _requests(run)
    return {
        "workers": [dataclasses.asdict(one) for one in setup.site.workers],
        "paced": True,
        "slow": setup.site.workers[setup.slow].name,
        "slower": setup.slower,
        "requests": [len(block) for block in requests],
        "rate_hz": sum(map(len, requests)) / (setup.site.seconds * len(requests)),
        "slo_s": run.objective.slo_s,
        "explored": {"until the alarm": setup.watch, "after it": setup.collect},
        "decisions": [len(part) for part in run.logged],
        "seed": setup.site.seed,
    }


def _calibration(run: LoopRun) -> dict[str, Any]:
    """Return the speeds of the servers in GHz: as measured, by the log, and as they are.

    Those by the log are None where no update fitted them.
    """
    fits = run.update.get("calibration", {}).get("fits", [])
    by_log = next((one["after"] for one in fits if one["key"] == "params.server_ghz"), None)
    true = [*run.fitted.ghz[1:]]
    true[run.setup.slow - 1] = run.slow_ghz
    return {
        "server_ghz_before": run.fitted.ghz[1:],
        "server_ghz_by_the_log": by_log,
        "server_ghz_true": true,
    }


def _swap(run: LoopRun) -> dict[str, Any]:
    """Return what became of the requests that came while the update worked and was taken up."""
    outcomes = run.during.outcomes
    return {
        "requests": len(outcomes),
        "answered": sum(one.status == DONE for one in outcomes),
        "failed": sum(one.status == FAILED for one in outcomes),
        "failed_in_all": sum(one.status == FAILED for one in _outcomes(run)),
        "decisions_by_version": run.by_version,
    }


def _outcomes(run: LoopRun) -> list[Any]:
    blocks = [*run.exploring, *run.blocks, run.during]
    return [outcome for block in blocks for outcome in block.outcomes]


def _validity(run: LoopRun) -> dict[str, Any]:
    """Return whether the machine kept the pace of the workers in the blocks."""
    blocks = [outcome for block in run.blocks for outcome in block.outcomes]
    late = np.array([one.lateness for one in blocks if one.lateness is not None])
    share = float(np.mean(late > LATE)) if len(late) else 0.0
    return {"paced_services": len(late), "late_share": share, "valid": share <= LATE_SHARE}


def _timeline(run: LoopRun) -> list[dict[str, Any]]:
    """Return the mean reward of requests of :data:`BIN_S`, by who decided."""
    rows = []
    for block in sorted([*run.exploring, *run.blocks], key=lambda one: one.at_s):
        rewards: dict[int, list[float]] = {}
        for arrival, outcome in zip(block.requests, block.outcomes, strict=True):
            reward = run.objective.reward(arrival, outcome)
            rewards.setdefault(int(arrival.at_s // BIN_S), []).append(reward)
        explored = any(block is one for one in run.exploring)
        rows += _bins(block, rewards, explored)
    return rows


def _bins(block: Block, rewards: dict[int, list[float]], explored: bool) -> Sequence[Any]:
    return [
        {
            "at_s": block.at_s + BIN_S * (number + 0.5),
            "reward": float(np.mean(values)),
            "policy": block.policy,
            "explored": explored,
        }
        for number, values in sorted(rewards.items())
    ]
