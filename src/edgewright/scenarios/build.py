"""From a checked scenario to the things themselves."""

from __future__ import annotations

from typing import Any

from edgewright.core.errors import InputError, nearest
from edgewright.core.process import check_process
from edgewright.scenarios.learners import build_learner, learner_names
from edgewright.scenarios.load import identity
from edgewright.specs.inputs import PROCESS_KINDS, described, entries, fingerprint, is_recorded
from edgewright.specs.schema import Scenario
from edgewright.systems.problem import LearnerPlan, Problem
from edgewright.systems.registry import system_of
from edgewright.systems.system import System


def build(scenario: Scenario[Any, Any, Any], data: str | None = None) -> Problem:
    """Return the world, numbers and streams of a scenario.

    Args:
        data: folder of recordings; left out, the environment variable ``EDGEWRIGHT_DATA``.

    Raises:
        InputError: a recording is named but cannot be read, or a switch of JAX changes numbers.
    """
    check_process()
    system = system_of(scenario.world.kind)
    problem = system.build(scenario, data)
    _check_fixed_inputs(scenario, system)
    return problem


def _check_fixed_inputs(scenario: Scenario[Any, Any, Any], system: System) -> None:
    names = list(entries(scenario))
    for name, grid in scenario.evaluation.fixed_inputs.items():
        key = f"evaluation.fixed_inputs.{name}"
        if name not in names:
            raise InputError("unknown input", where=key, hint=nearest(name, names))
        low, high = system.ranges.get(name, (-float("inf"), float("inf")))
        for value in grid:
            integral = isinstance(low, int)
            if not low <= value <= high or (integral and value != int(value)):
                message = f"{value:g} is not a possible {name}"
                raise InputError(message, where=key, hint=f"give values from {low:g} to {high:g}")


__all__ = [
    "PROCESS_KINDS",
    "LearnerPlan",
    "Problem",
    "build",
    "build_learner",
    "described",
    "fingerprint",
    "identity",
    "is_recorded",
    "learner_names",
]
