"""Short plays and single calls of worlds, streams and policies, for the checks."""

from __future__ import annotations

import functools
from typing import Any

import jax

from edgewright.core.records import Array, Decision, Memoryless, Trajectory, record, static
from edgewright.loops.unroll import init_rollout, next_rows, unroll

GAMES = 4
"""Copies of a world that a check plays side by side."""


@record
class Anything(Memoryless):
    """Acts at random."""

    space: Any = static()

    def act(self, key: Array, carry: tuple[()], observation: Any) -> tuple[tuple[()], Decision]:
        return carry, Decision(action=self.space.sample(key), aux=())


def first_input(stream: Any, key: Array) -> Any:
    """Return the first row of a stream."""
    return jax.tree.map(lambda leaf: leaf[0, 0], draws(stream, key[None])[2])


def draw(stream: Any, key: Array) -> tuple[Any, Any, Any]:
    """Return a carry, the carry after five rows, and the rows."""
    carry = stream.init_carry(key)
    return carry, *stream.next_rows(carry, 5)


@jax.jit
def draws(stream: Any, keys: Array) -> tuple[Any, Any, Any]:
    """Draw from several keys at once."""
    return jax.vmap(draw, in_axes=(None, 0))(stream, keys)


@jax.jit
def decide(policy: Any, keys: Array, carry: Any, observation: Any) -> tuple[Any, Decision]:
    """Let a policy decide with several keys."""
    return jax.vmap(policy.act, in_axes=(0, None, None))(keys, carry, observation)


def one_slot(world: Any, params: Any, state: Any, action: Any, x: Any) -> tuple[Any, Any, Any]:
    """Observe, step and reset."""
    observation = world.observe(params, state, x)
    return observation, world.step(params, state, action, x), world.reset(params, x)


slot_once = jax.jit(one_slot, static_argnums=0)


@functools.partial(jax.jit, static_argnums=0)
def slot_many(world: Any, params: Any, state: Any, action: Any, x: Any) -> tuple[Any, Any, Any]:
    """Do the same for several games."""
    return jax.vmap(lambda *one: one_slot(world, params, *one))(state, action, x)


def play_games(
    world: Any, params: Any, policy: Any, key: Array, sizes: tuple[int, int]
) -> Trajectory:
    """Play ``sizes = (steps, games)`` and return the trajectory ``[T, N, ...]``."""
    steps, games = sizes
    stream = world.inputs(params)
    stream_key, start_key, play_key = jax.random.split(key, 3)
    carry = jax.vmap(stream.init_carry)(jax.random.split(stream_key, games))
    _, rows = next_rows(stream, carry, steps + 1)
    first, following = (jax.tree.map(lambda leaf, s=s: leaf[s], rows) for s in (0, slice(1, None)))
    envs = init_rollout(start_key, world, params, policy, first)
    return unroll(play_key, world, params, policy, envs, following)[1]


play_once = jax.jit(play_games, static_argnums=(0, 4))
