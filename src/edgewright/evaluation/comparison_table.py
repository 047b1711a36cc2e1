"""Hold the table of a comparison, with rewards, scores, differences and shares with intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.evaluation import statistics
from edgewright.evaluation.compare import Comparison, Result
from edgewright.evaluation.gap import gap_closed
from edgewright.systems.registry import system_of


def table(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as plain data: one row for each policy, and the bound.

    ``gap_closed`` is the share of the gap between the baseline and the bound that a policy closes;
    ``score`` is (reward - random) / (reference - random) with its interval ``low``, ``high``;
    ``difference`` is the paired difference of rewards to the scenario's baseline, and
    ``probability_of_improvement`` how probably an episode earns more than with the baseline.
    Intervals are 95 % and come from resampling episodes, and seeds where there are several.
    """
    plan = comparison.scenario.evaluation
    system = system_of(comparison.problem.kind)
    metrics = system.metrics
    shown = (*(metric.name for metric in metrics), *system.termination_metrics)
    missing = sorted(set(shown) - set(comparison.results[0].metrics))
    if missing:
        message = f"the world measures no '{missing[0]}'"
        hint = nearest(missing[0], comparison.results[0].metrics)
        raise InputError(
            message, where=f"metrics of the system '{comparison.problem.kind}'", hint=hint
        )
    random = comparison.result("random").metrics["reward"][0]
    reference = comparison.result(plan.reference).metrics["reward"][0]
    base = comparison.result(plan.baseline).metrics["reward"][0]
    rows = [
        _policy_row(comparison, result, shown, (random, reference, base))
        for result in comparison.results
    ]
    facts: dict[str, Any] = {
        "scenario": comparison.scenario.name,
        "baseline": plan.baseline,
        "reference": plan.reference,
        "episodes": int(random.shape[0]),
        "metrics": [dataclasses.asdict(metric) for metric in metrics],
        "policies": rows,
        "warnings": comparison.warnings,
        "notes": comparison.notes,
    }
    if comparison.problem.placement is not None:
        facts["placement"] = comparison.problem.placement
    if comparison.bound is None:
        return {**facts, "bound": None, "why_no_bound": comparison.why_no_bound}
    earned = statistics.mean_interval(comparison.bound)
    bound = {"policy": "bound", "group": "bound", **earned.columns("reward")}
    bound |= _score(comparison.bound[None], random, reference)
    bound["difference"] = _difference(comparison.bound[None], base, plan.baseline, "bound")
    bound["gap_closed"] = gap_closed(comparison.bound[None], base, comparison.bound)
    return {**facts, "bound": bound}


def _policy_row(
    comparison: Comparison,
    result: Result,
    shown: Sequence[str],
    rewards: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> dict[str, Any]:
    """Return the row of one policy.

    Args:
        shown: names of the metrics.
        rewards: of random actions, the reference and the baseline, ``[episodes]`` each.
    """
    plan, (random, reference, base) = comparison.scenario.evaluation, rewards
    reward = result.metrics["reward"]
    row: dict[str, Any] = {"policy": result.name, "group": result.group}
    row["seeds"], row["episodes"] = reward.shape
    row |= statistics.mean_interval(reward).columns("reward")
    row["iqm"] = float(statistics.interquartile_mean(reward))
    row |= {name: float(np.mean(result.metrics[name])) for name in shown}
    for metric in system_of(comparison.problem.kind).metrics:
        if metric.interval:
            row |= statistics.mean_interval(result.metrics[metric.name]).columns(metric.name)
    row |= _score(reward, random, reference)
    row["difference"] = _difference(reward, base, plan.baseline, result.name)
    improvement = statistics.probability_of_improvement(reward, base)
    row |= improvement.columns("probability_of_improvement")
    row["actions"] = list(result.actions)
    row["by"] = {
        field: _strata(reward, base, grid)
        for field, grid in plan.fixed_inputs.items()
        if len(grid) > 1
    }
    if comparison.bound is not None:
        row["gap_closed"] = gap_closed(reward, base, comparison.bound)
    return row


def _score(reward: np.ndarray, random: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    try:
        return statistics.normalised_score_interval(reward, random, reference).summary("score")
    except InputError:  # the reference is no better than random here: the score means nothing
        return {"score": None, "low": None, "high": None}


def _difference(
    reward: np.ndarray, base: np.ndarray, baseline: str, name: str
) -> dict[str, Any] | None:
    if name == baseline:
        return None
    interval = statistics.paired_difference(reward, base)
    return {"to": baseline, **interval.summary(), "excludes_zero": interval.excludes(0.0)}


def _strata(reward: np.ndarray, base: np.ndarray, grid: Sequence[float]) -> list[dict[str, float]]:
    """Return the mean reward and its difference to the baseline at each value of a grid."""
    facts = []
    for index, value in enumerate(grid):
        ours, base_reward = reward[:, index :: len(grid)], base[index :: len(grid)]
        if ours.size:
            change = float(np.mean(ours - base_reward))
            facts.append({"value": value, "reward": float(np.mean(ours)), "difference": change})
    return facts
