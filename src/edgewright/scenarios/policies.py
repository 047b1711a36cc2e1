"""Policies by name: every rule, oracle and planner that a scenario can be compared with."""

from __future__ import annotations

from edgewright.core.errors import InputError, nearest
from edgewright.systems.registry import system_of
from edgewright.systems.system import Group, PolicyEntry, Problem


def baseline_names(problem: Problem) -> list[str]:
    """Return the names of all policies that need no training, in the order of tables."""
    return system_of(problem.kind).policy_names(problem)


def baseline(name: str, problem: Problem) -> PolicyEntry:
    """Return a policy by name: see :func:`baseline_names`.

    Raises:
        InputError: no policy has that name; the nearest is offered.
    """
    found = system_of(problem.kind).policy(name, problem)
    if found is None:
        message = f"there is no policy '{name}'"
        hint = nearest(name, baseline_names(problem)) + "; or name the folder of a run"
        raise InputError(message, hint=hint)
    return found


__all__ = ["Group", "PolicyEntry", "baseline", "baseline_names"]
