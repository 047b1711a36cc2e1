"""Compute the stored optima of frozen markets again, over processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.physics.contract import Regime
from edgewright.specs.schema import Scenario
from edgewright.systems.contract import optima
from edgewright.systems.contract.baselines import exact, float64
from edgewright.systems.problem import Problem
from edgewright.systems.system import StoredReference

COUNT = len(optima.REGIMES) * sum(number for _, number in optima.SPLITS.values())
"""Programs that are solved for a scenario."""

AT_ONCE = 10
"""Markets that a process takes at a time."""


def remake(
    scenario: Scenario[Any, Any, Any],
    problem: Problem,
    processes: int,
    on_progress: Callable[[str], None] | None = None,
) -> StoredReference:
    """Return the optima of the frozen markets of a scenario by the exact program (B.5).

    Args:
        processes: worker processes; 0 solves in this one.
        on_progress: called with the regime after each market.

    Raises:
        InputError: the scenario has no frozen markets, cvxpy is missing, or a market was not
            solved; the message holds it.
    """
    if scenario.name not in optima.FROZEN:
        message = "the scenario has no frozen markets"
        hint = f"name one of: {', '.join(optima.FROZEN)}"
        raise InputError(message, where=scenario.name, hint=hint)
    rows, market = optima.frozen_rows(problem)
    values: dict[Regime, np.ndarray] = {}
    for regime in optima.REGIMES:
        tasks: list[tuple[float64.Markets, Regime]] = [
            (float64.one(market, index), regime) for index in range(len(rows))
        ]
        solved = []
        for profit in _solved(tasks, processes):
            solved.append(profit)
            if on_progress:
                on_progress(regime)
        values[regime] = np.asarray(solved)
    before = optima.stored(scenario.name)
    apart = None
    if before is not None and before["markets"].shape == rows.shape:
        apart = max(float(np.max(np.abs(before[name] - values[name]))) for name in values)
    return StoredReference(
        file=f"{scenario.name}.npz",
        content=optima.packed(rows, values),
        made_by=optima.maker(rows),
        entries=len(rows) * len(values),
        difference=apart,
        same_maker=before is not None and str(before["made_by"]) == optima.maker(rows),
    )


def _solved(tasks: list[tuple[float64.Markets, Regime]], processes: int) -> Any:
    """Yield the best profit of each market in order."""
    if processes == 0:
        yield from map(_profit, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from pool.map(_profit, tasks, chunksize=AT_ONCE)


def _profit(task: tuple[float64.Markets, Regime]) -> float:
    market, regime = task
    return exact.solve(market, regime).profit
