"""Play worlds with extreme inputs, extreme actions and a short horizon, and keep every leaf.

A fault that one random step in a thousand meets is met in seconds here. Nothing lies outside what a
world promises: an input takes values that its own stream drew, an action lies in its space.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array, Decision, record, static
from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex
from edgewright.loops.unroll import ObserveFn
from edgewright.testing.play import natural_rows, play_rows

HORIZON = 8
"""Slots of an episode where a world has the number ``horizon_slots``: ends are met often."""

COPIES = 24
"""Copies of a world that are played at the borders."""

_SAMPLED = 256
"""Rows of each of a few streams among which the extreme ones are looked for."""

_UNBOUNDED = 10.0
"""The extreme of a real number without bounds."""


@record
class Moment:
    """Holds an observation, with the state and the inputs behind it."""

    observation: Any
    state: Any
    x: Any


@record
class Observing:
    """A policy that gets the observation out of :class:`Moment`."""

    policy: Any

    def init_carry(self, key: Array) -> Any:
        return self.policy.init_carry(key)

    def act(self, key: Array, carry: Any, observation: Moment) -> tuple[Any, Decision]:
        return self.policy.act(key, carry, observation.observation)


@record
class Mixed:
    """Holds the least, the greatest or a random action for an episode, or draws every action."""

    held: Array
    space: Any = static()

    def init_carry(self, key: Array) -> Any:
        which_key, draw_key = jax.random.split(key)
        which = jax.random.randint(which_key, (), 0, 3)
        ends = (corner(self.space, False), corner(self.space, True), self.space.sample(draw_key))
        return jax.tree.map(lambda *leaf: jnp.stack(leaf)[which], *ends)

    def act(self, key: Array, carry: Any, observation: Any) -> tuple[Any, Decision]:
        drawn = self.space.sample(key)
        action = jax.tree.map(lambda a, b: jnp.where(self.held, a, b), carry, drawn)
        return carry, Decision(action=action, aux=())


def corner(space: Any, high: bool) -> Any:
    """Return the least or the greatest action of a space, in the dtype of its samples."""
    if isinstance(space, Record):
        return {name: corner(part, high) for name, part in space.parts}
    if isinstance(space, Discrete):
        return jnp.full(space.shape, (space.n - 1) * high, jnp.int32)
    if isinstance(space, Bits):
        return jnp.full(space.shape, int(high), jnp.int32)
    if isinstance(space, Simplex):  # all to the last share, or to the first (nothing, if it may be)
        first = (
            jnp.zeros(space.shape) if space.at_most else jnp.zeros(space.shape).at[..., 0].set(1)
        )
        return jnp.zeros(space.shape).at[..., -1].set(1.0) if high else first
    assert isinstance(space, Box), space
    end = space.bounds[int(high)]
    finite = np.where(np.isfinite(end), end, _UNBOUNDED if high else -_UNBOUNDED)
    return jnp.broadcast_to(jnp.asarray(finite, jnp.float32), space.shape)


def shortened(params: Any) -> Any | None:
    """Return the numbers with a horizon of :data:`HORIZON` slots; None if they have no horizon."""
    slots = getattr(params, "horizon_slots", None)
    if slots is None or not dataclasses.is_dataclass(params) or isinstance(params, type):
        return None
    short = jnp.minimum(jnp.asarray(slots), HORIZON).astype(jnp.asarray(slots).dtype)
    return dataclasses.replace(params, horizon_slots=short)


def extreme_rows(world: Any, params: Any, key: Array, sizes: tuple[int, int]) -> Any:
    """Return inputs ``[steps + 1, games, ...]`` that stand at the borders of every field.

    Each game keeps, for each field by itself, the least or the greatest value that the stream drew.
    The first two games have all the least and all the greatest.
    """
    draw_key, choose_key = jax.random.split(key)
    drawn = natural_rows(world, params, draw_key, (_SAMPLED - 1, 4))
    leaves, structure = jax.tree.flatten(drawn)
    steps, games = sizes
    high = jax.random.bernoulli(choose_key, shape=(len(leaves), games))
    high = high.at[:, 0].set(False).at[:, 1].set(True)
    held = []
    for leaf, chosen in zip(leaves, high, strict=True):
        flat = leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:])
        size = flat.reshape(flat.shape[0], -1).astype(jnp.float32).sum(axis=1)
        value = flat[jnp.where(chosen, jnp.argmax(size), jnp.argmin(size))]
        held.append(jnp.broadcast_to(value, (steps + 1, *value.shape)))
    return jax.tree.unflatten(structure, held)


@functools.partial(jax.jit, static_argnames=("world", "sizes", "extreme"))
def draw_rows(world: Any, params: Any, key: Array, *, sizes: tuple[int, int], extreme: bool) -> Any:
    """Return inputs ``[steps + 1, games, ...]`` for ``sizes = (steps, games)``."""
    return (extreme_rows if extreme else natural_rows)(world, params, key, sizes)


@functools.partial(jax.jit, static_argnames=("world", "observe_fn"))
def play_moments(
    world: Any,
    params: Any,
    policy: Any,
    key: Array,
    rows: Any,
    observe_fn: ObserveFn | None = None,
) -> Any:
    """Play with given inputs; observations of the trajectory are :class:`Moment`."""
    observe = observe_fn or world.observe

    def see(params: Any, state: Any, x: Any) -> Moment:
        return Moment(observation=observe(params, state, x), state=state, x=x)

    return play_rows(world, params, Observing(policy=policy), key, rows, see)


__all__ = [
    "COPIES", "HORIZON", "Mixed", "Moment", "corner", "draw_rows", "play_moments", "shortened",
]  # fmt: skip
