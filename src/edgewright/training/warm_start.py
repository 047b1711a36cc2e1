"""Begin a training with what an earlier one learned: its networks and its statistics.

A fleet begins with the networks of each device and the model of the server. Of a learner around
another one, such as one that imitates a rule, the inner one begins with what was learned. Schedules
and replays begin anew, because they belong to the old inputs, and so do the moments of an optimiser
that is not part of what was learned.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.agents.fleet_state import FleetState
from edgewright.core.errors import InputError

LEARNED = ("networks", "network", "target", "learned", "initial", "inputs", "rewards", "changes")
"""Fields of a learner's state that a warm start takes over, where the state has them."""

_NETWORKS = ("networks", "network", "learned", "initial")

_INNER = "inner"
"""Field of the state of a learner around another one, see :class:`edgewright.agents.around.Around`.
"""


def warm_started(fresh: Any, old: Any, where: str = "") -> Any:
    """Return a fresh training with the networks and the statistics of an old one.

    Args:
        fresh, old: trainings of one learner and of one structure.
        where: names the old run in messages.

    Raises:
        InputError: the state of the learner has no networks of its own, or the sizes differ.
    """
    part = "server" if hasattr(fresh, "server") else "learner"
    now, before = getattr(fresh, part), getattr(old, part, None)
    if isinstance(now, FleetState) and isinstance(before, FleetState):
        return dataclasses.replace(fresh, **{part: _fleet_begun(now, before, where)})
    return dataclasses.replace(fresh, **{part: _begun(now, before, where)})


def _begun(now: Any, before: Any, where: str) -> Any:
    """Return the state of a learner, or a tuple of states, with the networks of an old one."""
    if isinstance(now, tuple):
        pairs = zip(now, before, strict=True)
        return tuple(old if _is_empty(new) else _begun(new, old, where) for new, old in pairs)
    if _is_record(now) and type(now) is type(before) and hasattr(now, _INNER):
        inner = _begun(getattr(now, _INNER), getattr(before, _INNER), where)
        return dataclasses.replace(now, **{_INNER: inner})
    return _record_begun(now, before, where)


def _fleet_begun(now: FleetState, before: FleetState, where: str) -> FleetState:
    """Return the state of a fleet with what the devices and the server of an old one learned."""
    state = _record_begun(now.devices.state, before.devices.state, where)
    models = {name: getattr(before, name) for name in ("shared", "based")}
    devices = dataclasses.replace(now.devices, state=state)
    return dataclasses.replace(now, devices=devices, **jax.tree.map(jnp.asarray, models))


def _record_begun(now: Any, before: Any, where: str) -> Any:
    names = {field.name for field in dataclasses.fields(now)} if _is_record(now) else set()
    if not names & set(_NETWORKS) or type(now) is not type(before):
        message = f"a training of {type(now).__name__} cannot begin with earlier weights"
        hint = "train again from the start: edgewright train SCENARIO --out RUN"
        raise InputError(message, where=where, hint=hint)
    taken = {name: getattr(before, name) for name in LEARNED if name in names}
    for name, value in taken.items():
        if _shapes(value) != _shapes(getattr(now, name)):
            message = f"the sizes of '{name}' must be those of the earlier run"
            hint = "keep the sizes of the world and of the learner, or train from the start"
            raise InputError(message, where=where, hint=hint)
    return dataclasses.replace(now, **jax.tree.map(jnp.asarray, taken))


def _is_empty(state: Any) -> bool:
    """Return whether there is nothing in a state, as in that of a rule."""
    return not jax.tree.leaves(state)


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _shapes(tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return [jnp.shape(leaf) for leaf in leaves], structure


__all__ = ["LEARNED", "warm_started"]
