"""Our spaces as Gymnasium's, and actions of Gymnasium as our worlds take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from edgewright.core.errors import InputError
from edgewright.core.protocols import World
from edgewright.core.spaces import SHARE_TOLERANCE, Bits, Box, Discrete, Record, Simplex, Space


class SimplexBox(spaces.Box):
    """Shares from 0 to 1 whose last axis sums to one, or to at most one.

    Other libraries see a ``Box``. ``sample`` draws uniformly over the simplex (a flat Dirichlet
    law), and ``contains`` checks the sums.
    """

    def __init__(self, shape: tuple[int, ...], at_most: bool = False, seed: Any = None) -> None:
        super().__init__(0.0, 1.0, shape, np.float32, seed)
        self.at_most = at_most

    def sample(self, mask: None = None, probability: None = None) -> np.ndarray:
        """Draw shares; masks are not used."""
        *rest, shares = self.shape
        drawn = self.np_random.dirichlet(np.ones(shares + self.at_most), tuple(rest))
        return drawn[..., :shares].astype(np.float32)

    def contains(self, x: Any) -> bool:
        """Return whether ``x`` has the right shape and shares out no more than there is."""
        if not super().contains(x):
            return False
        total = np.asarray(x).sum(axis=-1)
        upper = np.all(total <= 1 + SHARE_TOLERANCE)
        return bool(upper and (self.at_most or np.all(total >= 1 - SHARE_TOLERANCE)))

    def __repr__(self) -> str:
        """Return the shape and what the shares sum to."""
        return f"SimplexBox({self.shape}, sum {'<=' if self.at_most else '='} 1)"

    def __eq__(self, other: object) -> bool:
        """Return whether both have one shape and one kind of sum."""
        return super().__eq__(other) and getattr(other, "at_most", None) == self.at_most


@batch_space.register(SimplexBox)
def _(space: SimplexBox, n: int = 1) -> SimplexBox:
    return SimplexBox((n, *space.shape), space.at_most)


def agents(world: World, params: Any) -> tuple[int, ...]:
    """Return the axes of decision makers: ``()``, or ``(M,)`` for ``M`` devices."""
    return world.observation_space(params).shape[:-1]


def observations(world: World, params: Any) -> spaces.Box:
    """Return what one decision maker sees; bounds are infinite where the world gives none."""
    return spaces.Box(*world.observation_space(params).bounds, dtype=np.float32)


def actions(world: World, params: Any) -> spaces.Space:
    """Return what one decision maker may do; a record becomes a ``Dict``.

    Raises:
        InputError: there are several decision makers, and a part of the action is not one for each.
    """
    return _converted(world.action_space(params), agents(world, params), "action")


def _converted(space: Space, axes: tuple[int, ...], name: str) -> spaces.Space:
    if isinstance(space, Record):
        return spaces.Dict({part: _converted(one, axes, part) for part, one in space.parts})
    if space.shape[: len(axes)] != axes:
        message = f"the part '{name}' must begin with the axes {axes}; got shape {space.shape}"
        hint = "give every decision maker its own part, or make the world one decision maker"
        raise InputError(message, where="action_space", hint=hint)
    shape = space.shape[len(axes) :]
    if axes and not shape and isinstance(space, Box) and isinstance(space.low, tuple):
        message = f"the bounds of '{name}' must be the same for all decision makers"
        raise InputError(message, where="action_space", hint="give the part an axis of its own")
    if isinstance(space, Discrete):
        return spaces.MultiDiscrete(np.full(shape, space.n)) if shape else spaces.Discrete(space.n)
    if isinstance(space, Bits):
        return spaces.MultiBinary(shape) if shape else spaces.Discrete(2)
    if isinstance(space, Simplex):
        return SimplexBox(shape, space.at_most)
    low, high = (np.broadcast_to(end, shape) for end in space.bounds)
    return spaces.Box(low, high, dtype=np.float32)


def fitted(action: Any, space: spaces.Space) -> Any:
    """Return an action with the number types of a space, where no value changes."""
    if isinstance(space, spaces.Dict) and isinstance(action, Mapping):
        known = {name: part for name, part in action.items() if name in space.spaces}
        if len(known) == len(action):
            return {name: fitted(part, space.spaces[name]) for name, part in known.items()}
        return action
    value = np.asarray(action)
    kinds = (np.integer, np.floating)
    if space.dtype is None or not any(
        np.issubdtype(value.dtype, kind) and np.issubdtype(space.dtype, kind) for kind in kinds
    ):
        return value
    cast = value.astype(space.dtype)
    integral = np.issubdtype(value.dtype, np.integer)
    return value if integral and not np.array_equal(cast, value) else cast


def checked(action: Any, space: spaces.Space, where: str = "the action") -> Any:
    """Return an action with the number types of a space.

    Raises:
        InputError: it is not in the space.
    """
    given = fitted(action, space)
    if not space.contains(given):
        hint = "draw one with action_space.sample() to see its form"
        raise InputError(f"{where} must be in {space}; got {action!r}", where="step", hint=hint)
    return given


def plain_choice(action: Any, space: spaces.Space) -> int | None:
    """Return a whole number that is in a space of choices, None for all else: a quick check."""
    if type(space) is not spaces.Discrete or type(action) not in (int, np.int64, np.int32):
        return None
    index = int(action)
    return index if space.start <= index < space.start + space.n else None


def plain_choices(actions: Any, space: spaces.Space) -> np.ndarray | None:
    """Return an array of whole numbers that is in a space, None for all else: a quick check."""
    if type(space) is not spaces.MultiDiscrete or type(actions) is not np.ndarray:
        return None
    if actions.dtype not in (np.int64, np.int32) or actions.shape != space.shape:
        return None
    wrong = (actions < space.start) | (actions >= space.start + space.nvec)
    return None if np.count_nonzero(wrong) else actions


def for_one(action: Any, axes: tuple[int, ...]) -> Any:
    """Return an action of one decision maker as ``[*axes, ...]``; see :func:`for_world`."""
    if isinstance(action, Mapping):
        return {name: for_one(part, axes) for name, part in action.items()}
    return for_world(np.asarray(action)[None], axes)[0]


def for_world(actions: Any, axes: tuple[int, ...]) -> Any:
    """Return a batch ``[N, ...]`` of actions of one decision maker as ``[N, *axes, ...]``.

    Whole numbers become int32, others float32; a record stays a dictionary.
    """
    if isinstance(actions, Mapping):
        return {name: for_world(part, axes) for name, part in actions.items()}
    values = np.asarray(actions)
    kind = np.int32 if np.issubdtype(values.dtype, np.integer) else np.float32
    return values.astype(kind).reshape(values.shape[0], *axes, *values.shape[1:])


def stacked(parts: list[Any]) -> Any:
    """Return actions, or records of them, stacked on a new first axis."""
    if isinstance(parts[0], Mapping):
        return {name: stacked([part[name] for part in parts]) for name in parts[0]}
    return np.stack([np.asarray(part) for part in parts])
