"""Our spaces in Gymnasium's words, and which worlds have one decision maker."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from edgewright.core.errors import InputError
from edgewright.core.protocols import World
from edgewright.core.spaces import Box, Discrete

LARGEST = float(np.finfo(np.float32).max)
"""Stands for infinity: an observation is a finite float32, and Gymnasium's checker wants bounds."""


def agents(world: World, params: Any) -> tuple[int, ...]:
    """Return the axes of decision makers: ``()``, or ``(M,)`` for ``M`` devices."""
    return world.observation_space(params).shape[:-1]


def observations(world: World, params: Any) -> spaces.Box:
    """Return what one decision maker sees."""
    low, high = (np.clip(end, -LARGEST, LARGEST) for end in world.observation_space(params).bounds)
    return spaces.Box(low, high, dtype=np.float32)


def actions(world: World, params: Any) -> spaces.Discrete | spaces.MultiDiscrete | spaces.Box:
    """Return what one decision maker may do."""
    space = world.action_space(params)
    if not isinstance(space, Discrete | Box):
        message = f"the action must be an index or an array of numbers; got {space}"
        hint = "play this world with edgewright's own loops: Gymnasium cannot see it yet"
        raise InputError(message, where="action_space", hint=hint)
    rest = space.shape[len(agents(world, params)) :]
    if isinstance(space, Discrete):
        return spaces.MultiDiscrete(np.full(rest, space.n)) if rest else spaces.Discrete(space.n)
    return _box(space, rest)


def _box(space: Box, shape: tuple[int, ...]) -> spaces.Box:
    return spaces.Box(max(space.low, -LARGEST), min(space.high, LARGEST), shape, np.float32)
