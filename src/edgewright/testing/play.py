"""Short plays and single calls of worlds, streams and policies, for the checks."""

from __future__ import annotations

import functools
from typing import Any

import jax

from edgewright.core.records import Array, Decision, Memoryless, Trajectory, record, static
from edgewright.loops.unroll import ObserveFn, init_rollout, next_rows, unroll


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


def natural_rows(world: Any, params: Any, key: Array, sizes: tuple[int, int]) -> Any:
    """Return inputs ``[steps + 1, games, ...]`` as the world's stream draws them."""
    stream = world.inputs(params)
    carry = jax.vmap(stream.init_carry)(jax.random.split(key, sizes[1]))
    return next_rows(stream, carry, sizes[0] + 1)[1]


def play_rows(
    world: Any, params: Any, policy: Any, key: Array, rows: Any, observe_fn: ObserveFn | None = None
) -> Trajectory:
    """Play with the inputs ``rows`` ``[T + 1, N, ...]`` and return the trajectory."""
    start_key, play_key = jax.random.split(key)
    first, following = (jax.tree.map(lambda leaf, s=s: leaf[s], rows) for s in (0, slice(1, None)))
    envs = init_rollout(start_key, world, params, policy, first)
    return unroll(play_key, world, params, policy, envs, following, observe_fn=observe_fn)[1]
