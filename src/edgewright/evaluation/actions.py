"""Count how often policies take each choice, set each bit, and in which range numbers lie."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.protocols import World
from edgewright.core.spaces import Bits, Box, Discrete
from edgewright.export.heads import CategoricalHead, Head
from edgewright.export.observation import head_of
from edgewright.nets.actions import parts_of
from edgewright.scenarios.build import Problem
from edgewright.systems.horizon import without_phase
from edgewright.systems.registry import system_of

Part = dict[str, Any]
"""One part of an action as plain data: ``name``, ``kind`` and ``entries``."""


def head_in(problem: Problem, world: World | None = None) -> Head:
    """Return what policies of a problem decide; in another world of its system, if one is named."""
    register_exports(problem)
    return head_of(without_phase(problem.world if world is None else world), problem.params)


def register_exports(problem: Problem) -> None:
    """Import the module of a problem's system that says how its policies become graphs.

    The heads of the system can be read from bundles afterwards.
    """
    module = system_of(problem.kind).export
    if module:
        importlib.import_module(module)


def decisions(actions: Any, alive: Any) -> Any:
    """Return the actions ``[decisions, ...]`` of steps in which an episode was still running.

    Args:
        actions: leaves ``[T, E, ...]``.
        alive: ``[T, E]`` bool.
    """
    mask = np.asarray(alive)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[mask], actions)


def columns(
    problem: Problem, world: World, taken: Any, split: bool = True
) -> dict[str, tuple[Any, np.ndarray]]:
    """Return the parts of actions by name, each with its labels or its space.

    Args:
        taken: leaves ``[n, ...]``, see :func:`decisions`.
        split: whether every agent's part is a row of its own; else agents are entries.

    Returns:
        for each part its labels (a choice with names) or its space, and values
        ``[n * agents, *entries]``, or ``[n, *entries]``.
    """
    space, head = world.action_space(problem.params), head_in(problem, world)
    if isinstance(head, CategoricalHead) and isinstance(space, Discrete):
        index = jnp.asarray(taken).reshape(-1)
        outputs = head.decoded(index, index[:, None])
        plain = tuple(map(str, range(space.n)))
        return {
            output.name: (output.labels or plain, np.asarray(outputs[output.name]))
            for output in head.outputs
        }
    agents = world.observation_space(problem.params).shape[:-1] if split else ()
    result: dict[str, tuple[Any, np.ndarray]] = {}
    for name, part in parts_of(space):
        values = np.asarray(taken[name] if isinstance(taken, Mapping) else taken)
        if part.shape[: len(agents)] == agents:
            values = values.reshape(-1, *part.shape[len(agents) :])
        else:  # one part for all agents
            values = values.repeat(math.prod(agents), axis=0)
        result[name] = part, values
    return result


def action_shares(problem: Problem, world: World, taken: Any) -> list[Part]:
    """Return how often each choice is taken, by part of the action and entry of the part.

    Returns:
        for each part ``name``, ``kind`` and ``entries``. A ``choice`` has the ``share`` of each
        value, ``bits`` the share of ones of each entry, ``numbers`` the ``mean``, ``min`` and
        ``max`` of each entry.
    """
    parts: list[Part] = []
    split = not head_in(problem, world).joint
    for name, (what, values) in columns(problem, world, taken, split).items():
        if isinstance(what, Discrete) and values.ndim == 1:
            what = tuple(map(str, range(what.n)))
        if isinstance(what, tuple):
            counts = np.bincount(values, minlength=len(what)) / max(values.size, 1)
            entries = [
                {"entry": label, "share": float(x)} for label, x in zip(what, counts, strict=True)
            ]
            parts.append({"name": name, "kind": "choice", "entries": entries})
            continue
        flat = values.reshape(len(values), math.prod(values.shape[1:]))
        if isinstance(what, Discrete) and what.n > 2:
            parts += _choices(name, what.n, flat)
        elif isinstance(what, Discrete | Bits):
            entries = [
                {"entry": str(n), "share": float(x)} for n, x in enumerate(flat.mean(axis=0), 1)
            ]
            parts.append({"name": name, "kind": "bits", "entries": entries})
        else:
            unit = what.unit if isinstance(what, Box) else ""
            parts.append({"name": name, "kind": "numbers", "unit": unit, "entries": _ranges(flat)})
    return parts


def _choices(name: str, count: int, flat: np.ndarray) -> list[Part]:
    """Return one choice for each column of several."""
    return [
        {
            "name": f"{name} {n}",
            "kind": "choice",
            "entries": [
                {"entry": str(value), "share": float(np.mean(column == value))}
                for value in range(count)
            ],
        }
        for n, column in enumerate(flat.T, 1)
    ]


def _ranges(flat: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "entry": str(n),
            "mean": float(column.mean()),
            "min": float(column.min()),
            "max": float(column.max()),
        }
        for n, column in enumerate(flat.astype(float).T, 1)
    ]


def constant(part: Part) -> str | None:
    """Return the one value that a part always has, in words; None where it varies."""
    entries = part["entries"]
    if part["kind"] == "choice":
        return next((one["entry"] for one in entries if one["share"] == 1.0), None)
    if part["kind"] == "bits":
        bits = [one["share"] for one in entries]
        return "".join(f"{bit:.0f}" for bit in bits) if set(bits) <= {0.0, 1.0} else None
    if all(one["min"] == one["max"] for one in entries):
        return ", ".join(f"{one['mean']:g}" for one in entries)
    return None


def warning(name: str, parts: Sequence[Part]) -> str | None:
    """Return a sentence on a policy that always does the same; None where it varies.

    Args:
        name: of the policy.
        parts: see :func:`action_shares`.
    """
    always = {part["name"]: constant(part) for part in parts}
    stuck = {part: value for part, value in always.items() if value is not None}
    if not stuck:
        return None
    text = "; ".join(f"{part} = {value}" for part, value in stuck.items())
    if len(stuck) == len(always) or "action" in stuck:
        first = stuck.get("action")
        return f"{name} took the same action in every decision: {first or text}"
    return f"{name} always decided {text}"


__all__ = [
    "action_shares",
    "columns",
    "constant",
    "decisions",
    "head_in",
    "register_exports",
    "warning",
]
