"""How a check plays: a few copies of a world, by hand, with nothing of the house above."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Decision, Trajectory, record, static

GAMES = 4
"""Copies of a world that a check plays side by side."""


@record
class Anything:
    """Acts at random."""

    space: Any = static()

    def init_carry(self, key: Array) -> tuple[()]:
        return ()

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
def decide(policy: Any, keys: Array, carry: Any, seen: Any) -> tuple[Any, Decision]:
    """Let a policy decide with several keys."""
    return jax.vmap(policy.act, in_axes=(0, None, None))(keys, carry, seen)


def one_slot(world: Any, params: Any, state: Any, action: Any, x: Any) -> tuple[Any, Any, Any]:
    """Observe, step and reset."""
    seen = world.observe(params, state, x)
    return seen, world.step(params, state, action, x), world.reset(params, x)


slot_once = jax.jit(one_slot, static_argnums=0)


@functools.partial(jax.jit, static_argnums=0)
def slot_many(world: Any, params: Any, state: Any, action: Any, x: Any) -> tuple[Any, Any, Any]:
    """Do the same for several games."""
    return jax.vmap(lambda *one: one_slot(world, params, *one))(state, action, x)


def play_games(
    world: Any, params: Any, policy: Any, key: Array, sizes: tuple[int, int]
) -> Trajectory:
    """Play ``sizes = (steps, games)`` and return the trajectory ``[T, N, ...]``.

    A plain copy of the loop of the house, which is a layer above.
    """
    steps, games = sizes
    stream = world.inputs(params)

    def game(key: Array) -> Trajectory:
        stream_key, start_key, play_key = jax.random.split(key, 3)
        _, rows = stream.next_rows(stream.init_carry(stream_key), steps + 1)
        first = jax.tree.map(lambda leaf: leaf[0], rows)

        def slot(carry: Any, row: Any) -> Any:
            state, memory, x = carry
            x_next, key = row
            act_key, fresh_key = jax.random.split(key)
            seen = world.observe(params, state, x)
            memory, decision = policy.act(act_key, memory, seen)
            outcome = world.step(params, state, decision.action, x)
            line = Trajectory(
                observation=seen,
                action=decision.action,
                aux=decision.aux,
                reward=outcome.reward,
                terminated=outcome.terminated,
                truncated=outcome.truncated,
                next_observation=world.observe(params, outcome.state, x_next),
                metrics=outcome.metrics,
            )
            fresh = world.reset(params, x_next), policy.init_carry(fresh_key)
            following = jax.tree.map(
                lambda a, b: jnp.where(line.done, a, b), fresh, (outcome.state, memory)
            )
            return (*following, x_next), line

        start = world.reset(params, first), policy.init_carry(start_key), first
        after = jax.tree.map(lambda leaf: leaf[1:], rows)
        return jax.lax.scan(slot, start, (after, jax.random.split(play_key, steps)))[1]

    return jax.vmap(game, out_axes=1)(jax.random.split(key, games))


play_once = jax.jit(play_games, static_argnums=(0, 4))
