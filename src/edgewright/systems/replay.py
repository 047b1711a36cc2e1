"""Define how a system whose inputs do not depend on decisions is played again from its log.

Gains of a channel and requests of users arrive whatever is decided. So the logged inputs of a slot
can be played again with the decisions of any policy, by the physics of a scenario that was fitted
to the log: Sinclair et al., "Hindsight learning for MDPs with exogenous inputs" (ICML 2023).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgewright.serve.log_table import LogTable
from edgewright.systems.problem import Problem

Tune = Callable[[Any, Mapping[str, Any], Problem, Any, int], Any]
"""(run, provenance of its bundle, calibrated problem, logged inputs, steps) to a policy."""


@dataclasses.dataclass(frozen=True)
class LoggedInputs:
    """The inputs of logged slots.

    Attributes:
        rows: inputs of the world, leaves ``[n, ...]``.
        index: ``[n]`` positions of their decisions in the log.
        episode: slots that are played together from a fresh state, because they follow one another.
    """

    rows: Any
    index: np.ndarray
    episode: int


@dataclasses.dataclass(frozen=True)
class Replay:
    """All that a replay of logs needs to know of a system.

    Attributes:
        inputs: (calibrated problem, log) to the inputs of its slots.
        reward: (calibrated problem, log) to the reward ``[n]`` that the physics give each logged
            decision; NaN where the log does not say enough.
        report: metrics of one step of the world to what an outcome reports of it, by name.
        tune: what trains on the logged inputs themselves; None where the policy is trained again in
            the calibrated scenario.
        independent: whether slots are independent, so that propensities of single decisions count.
        shown: (log, actions ``[n, ...]``) to the share of those decisions whose effect the log
            shows; None where the physics of every decision are known.
    """

    inputs: Callable[[Problem, LogTable], LoggedInputs]
    reward: Callable[[Problem, LogTable], np.ndarray]
    report: Callable[[Any], dict[str, float]]
    tune: Tune | None = None
    independent: bool = False
    shown: Callable[[LogTable, np.ndarray], float] | None = None


__all__ = ["LoggedInputs", "Replay", "Tune"]
