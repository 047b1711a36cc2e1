"""Policies by name: every rule, oracle and planner that a scenario can be compared with."""

from __future__ import annotations

from edgewright.core.errors import InputError, nearest
from edgewright.systems.registry import system_of
from edgewright.systems.system import Built, Contender, Group


def baseline_names(built: Built) -> list[str]:
    """Return the names of all policies that need no training, in the order of tables."""
    return system_of(built.kind).policy_names(built)


def baseline(name: str, built: Built) -> Contender:
    """Return a policy by name: see :func:`baseline_names`.

    Raises:
        InputError: no policy has that name; the nearest is offered.
    """
    found = system_of(built.kind).policy(name, built)
    if found is None:
        problem = f"there is no policy '{name}'"
        hint = nearest(name, baseline_names(built)) + "; or name the folder of a run"
        raise InputError(problem, hint=hint)
    return found


__all__ = ["Contender", "Group", "baseline", "baseline_names"]
