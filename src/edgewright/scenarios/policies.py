"""Build by name every rule, oracle and planner that a scenario can be compared with."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.core.errors import InputError, nearest
from edgewright.core.protocols import Policy
from edgewright.loops.evaluate import full_information
from edgewright.systems.registry import system_of
from edgewright.systems.system import Group, PolicyEntry, Problem

Make = Callable[[Problem], Policy]
"""From a built scenario to a policy of yours."""

_added: dict[str, dict[str, tuple[Make, bool]]] = {}


def register_policy(kind: str, name: str, make: Make, *, informed: bool = False) -> None:
    """Add a policy of your own to a system, known to every command of this process.

    Name the file that calls this with ``--plugin``.

    Args:
        kind: of the system, e.g. ``"aigc"``.
        name: in tables and for ``--policies``.
        make: from the built scenario to the policy.
        informed: give ``act`` the state, the numbers and the inputs of the slot
            (``full_information``) instead of what a learner observes.

    Raises:
        InputError: the system is unknown.
    """
    system_of(kind, "register_policy")
    _added.setdefault(kind, {})[name] = make, informed


def baseline_names(problem: Problem) -> list[str]:
    """Return the names of all policies that need no training, in the order of tables."""
    return [*system_of(problem.kind).policy_names(problem), *_added.get(problem.kind, {})]


def is_registered(name: str, kind: str) -> bool:
    """Return whether a policy of a system was added by :func:`register_policy`."""
    return name in _added.get(kind, {})


def baseline(name: str, problem: Problem) -> PolicyEntry:
    """Return a policy by name: see :func:`baseline_names`.

    Raises:
        InputError: no policy has that name; the nearest is offered.
    """
    if is_registered(name, problem.kind):
        make, informed = _added[problem.kind][name]
        observe_fn = full_information if informed else None
        return PolicyEntry(name, "rule", make(problem), observe_fn, problem.world)
    entry = system_of(problem.kind).policy(name, problem)
    if entry is None:
        message = f"unknown policy '{name}'"
        raise InputError(message, hint=nearest(name, baseline_names(problem)))
    return entry


__all__ = ["Group", "PolicyEntry", "baseline", "baseline_names", "is_registered", "register_policy"]
