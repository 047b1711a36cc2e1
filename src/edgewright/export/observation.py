"""From the spaces of a world to the contract of a bundle: fields, units, ranges, outputs.

Fields are read from the features of the observation space. :func:`head_of` is open: a system
registers what its actions are called, see ``System.export``.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from edgewright.bundle.interface import MAX_SEED, Field, Interface, Output
from edgewright.core.errors import InputError
from edgewright.core.features import Feature
from edgewright.core.spaces import Box, Discrete, Record
from edgewright.export.heads import CategoricalHead, Head
from edgewright.export.record_head import RecordHead

_RESERVED = frozenset({"action", "proposals", "observation", "scores", "rows", "kind", "settled"})
"""Names that parts of a record cannot have: a bundle or its parity rows use them."""


@functools.singledispatch
def head_of(world: Any, params: Any) -> Head:
    """Return the head of policies of a world, by its action space.

    One index for each agent becomes a :class:`CategoricalHead`, everything else a
    :class:`RecordHead` whose parts are those of one agent.

    Raises:
        InputError: a part of a record is not one for each agent.
    """
    actions = world.action_space(params)
    agents = world.observation_space(params).shape[:-1]
    if isinstance(actions, Discrete) and actions.shape == agents:
        return CategoricalHead((Output("action", "index of the action"),))
    if isinstance(actions, Record):
        wrong = sorted(_RESERVED & {name for name, _ in actions.parts})
        if wrong:
            message = f"a part must not be called '{wrong[0]}': a bundle means something else by it"
            raise InputError(message, where="export", hint="give the part another name")
        parts = tuple((name, _of_one(part, agents, name)) for name, part in actions.parts)
        return RecordHead(Record(parts))
    return RecordHead(_of_one(actions, agents, "action"))


def _of_one(part: Any, agents: tuple[int, ...], name: str) -> Any:
    """Return the space of one agent's part of an action.

    Raises:
        InputError: it is not one for each agent, or its bounds differ between agents.
    """
    if part.shape[: len(agents)] != agents:
        message = f"'{name}' must have the axes of the agents {agents}; got shape {part.shape}"
        hint = "register a head with edgewright.export.observation.head_of"
        raise InputError(message, where="export", hint=hint)
    shape = part.shape[len(agents) :]
    if agents and not shape and isinstance(part, Box) and isinstance(part.low, tuple):
        message = f"the bounds of '{name}' must be the same for all agents"
        raise InputError(message, where="export", hint="give the part an axis of its own")
    return dataclasses.replace(part, shape=shape)


def interface_of(space: Box, head: Head, rows: np.ndarray, draws: int = 0) -> Interface:
    """Return the contract of a policy that was trained on observations like ``rows``.

    Args:
        space: of the world; where the head decides for all agents at once, a row holds them all.
        rows: ``[n, columns]`` in physical units. What training met is their range, rounded
            outwards; the bounds of a field are those of its feature.
        draws: normal numbers that the policy takes beside them, from a field ``seed``.
    """
    fields, column = [], 0
    for feature in _fields(space, head.joint):
        texts = feature.name, feature.unit, feature.about
        if feature.choices:
            encoding = "one-hot" if feature.one_hot else "index"
            fields.append(Field(*texts, 0.0, 0.0, feature.choices, encoding))
        else:
            values = rows[:, column].astype(np.float64)
            ends = (float(np.float32(end)) for end in feature.domain or feature.bounds)
            low, high = (end if math.isfinite(end) else None for end in ends)
            trained = _rounded(values.min(), values.max())
            fields.append(Field(*texts, low, high, trained=trained))
        column += len(feature.columns)
    if draws:
        about = "seed of what the policy leaves to chance: the same seed, the same answer"
        fields.append(Field("seed", "", about, 0.0, float(MAX_SEED), encoding="seed", draws=draws))
    return Interface(tuple(fields), head.outputs, head.joint)


def field_names(space: Box, joint: bool) -> list[str]:
    """Return the names of the fields of a row; ``joint`` for all agents in one."""
    return [feature.name for feature in _fields(space, joint)]


def _fields(space: Box, joint: bool) -> list[Feature]:
    """Return one feature for each field; those of a world without a table have no units."""
    names = space.names or tuple(f"feature_{n}" for n in range(space.shape[-1]))
    about, ends = "as the world observes it", zip(*space.bounds, strict=True)
    plain = [
        Feature(name, about=about, low=float(low), high=float(high))
        for name, (low, high) in zip(names, ends, strict=True)
    ]
    features = list(space.features) or plain
    if not joint:
        return features
    agents = range(1, math.prod(space.shape[:-1]) + 1)
    return [_of_agent(feature, agent) for agent in agents for feature in features]


def _of_agent(feature: Feature, agent: int) -> Feature:
    """Return the feature of one agent: ``gain_db`` of the second is ``gain_2_db``."""
    first, *rest = feature.name.split("_", 1)
    name = "_".join([first, str(agent), *rest])
    return dataclasses.replace(feature, name=name)


def _rounded(low: float, high: float) -> tuple[float, float]:
    """Return a range that holds both ends, on a grid of about a hundredth of it.

    A number that is always the same is given as a person would write it, without the rounding of 32
    bits.
    """
    if high <= low:
        return float(f"{low:.6g}"), float(f"{high:.6g}")
    digits = 2 - math.floor(math.log10(high - low))
    down, up = math.floor(low * 10.0**digits), math.ceil(high * 10.0**digits)
    return round(down / 10.0**digits, max(digits, 0)), round(up / 10.0**digits, max(digits, 0))


__all__ = ["field_names", "head_of", "interface_of"]
