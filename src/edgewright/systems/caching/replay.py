"""Play logged requests and links of the caching world again."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.serve.log_table import LogTable
from edgewright.systems.caching import predicted
from edgewright.systems.caching.logged import inputs_of, logged_steps
from edgewright.systems.problem import Problem
from edgewright.systems.replay import LoggedInputs, Replay

EPOCHS = 3
"""Epochs that are played together, from empty caches on."""


def inputs(problem: Problem, table: LogTable) -> LoggedInputs:
    """Return the inputs of all whole epochs of a log, one client after the other."""
    world, params = problem.world, problem.params
    steps = logged_steps(world, params, table)
    starts = [
        at
        for at in np.flatnonzero(steps.placing)
        if np.all(steps.epoch[at + 1 : at + world.period] == at)
        and at + world.period <= len(steps.index)
    ]
    chosen = (np.asarray(starts, int)[:, None] + np.arange(world.period)).reshape(-1)
    size = min(EPOCHS * world.period, problem.horizon)
    return LoggedInputs(inputs_of(world, params, steps, chosen), steps.index[chosen], size)


def reward(problem: Problem, table: LogTable) -> np.ndarray:
    """Return the reward ``[n]`` of the logged decisions, see :func:`.predicted.reward`."""
    return predicted.reward(problem.world, problem.params, table)


def report(metrics: Any) -> dict[str, float]:
    """Return mean latency, hit ratio and time of fetching of a step."""
    names = ("latency_s", "hit_ratio", "switch_cost_s", "served")
    return {name: float(np.mean(getattr(metrics, name))) for name in names}


REPLAY = Replay(inputs=inputs, reward=reward, report=report)

__all__ = ["REPLAY"]
