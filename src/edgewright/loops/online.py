"""Learn online, with one loop for every learner and one jit for a training."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Learner, Stream, World
from edgewright.core.records import Array, Trajectory, record
from edgewright.loops.evaluate import observe_fn_of
from edgewright.loops.look_ahead import LookAhead
from edgewright.loops.repeat import repeated
from edgewright.loops.unroll import RolloutState, init_rollout, next_rows, select, unroll


@record
class Training:
    """The full state of a training, from which it resumes with the same results."""

    learner: Any
    envs: RolloutState
    stream: Any
    key: Array


@functools.partial(jax.jit, static_argnames=("world",))
def init_training(
    key: Array, world: World, params: Any, stream: Stream[Any], learner: Learner
) -> Training:
    """Return the training before its first step. Consumes ``key``."""
    init_key, stream_key, rollout_key, key = jax.random.split(key, 4)
    carry = jax.vmap(stream.init_carry)(jax.random.split(stream_key, learner.num_envs))
    carry, rows = next_rows(stream, carry, 1)
    first = jax.tree.map(lambda leaf: leaf[0], rows)
    state = learner.init(init_key, world.observation_space(params), world.action_space(params))
    policy = learner.policy(state, explore=True)
    return Training(
        learner=state,
        envs=init_rollout(rollout_key, world, params, policy, first),
        stream=carry,
        key=key,
    )


@functools.partial(jax.jit, static_argnames=("world", "slots"))
def stagger(
    world: World, params: Any, stream: Stream[Any], learner: Learner, training: Training, slots: int
) -> Training:
    """Return a training whose copies are at all parts of an episode of ``slots`` slots.

    All copies begin together, so that an update would see a few slots of the episode only, and the
    next one others. Copy ``n`` of ``N`` is played ``slots`` slots and reset after ``n slots / N``
    of them. Nothing is learned.
    """
    policy = learner.policy(training.learner, explore=True)
    count = learner.num_envs
    starts = jnp.arange(count) * slots // count

    def once(carry: Training, slot: Array) -> tuple[Training, None]:
        play_key, key = jax.random.split(carry.key)
        rows, inputs = next_rows(stream, carry.stream, 1)
        envs, _ = unroll(
            play_key, world, params, policy, carry.envs, inputs,
            observe_fn=observe_fn_of(policy, world),
        )  # fmt: skip
        fresh = init_rollout(play_key, world, params, policy, envs.x)
        envs = jax.vmap(select)(starts == slot, fresh, envs)
        return dataclasses.replace(carry, envs=envs, stream=rows, key=key), None

    return jax.lax.scan(once, training, jnp.arange(slots))[0]


def play(
    world: World,
    params: Any,
    stream: Stream[Any],
    learner: Learner,
    policy: Any,
    training: Training,
) -> tuple[Array, Training, Trajectory]:
    """Play the slots of one update.

    Returns:
        the key of the update, the training after the slots, and the trajectory ``[T, N, ...]``.
    """
    play_key, learn_key, key = jax.random.split(training.key, 3)
    carry, inputs = next_rows(stream, training.stream, learner.rollout_steps)
    envs, batch = unroll(
        play_key, world, params, policy, training.envs, inputs,
        observe_fn=observe_fn_of(policy, world),
        all_actions=_wanted(learner, stream, carry),
    )  # fmt: skip
    return learn_key, dataclasses.replace(training, envs=envs, stream=carry, key=key), batch


def _wanted(learner: Learner, stream: Stream[Any], carry: Any) -> Any:
    """Return which outcomes of actions that were not taken the learner is given.

    Args:
        carry: of the streams after the rows that are played: the same rows come again next.
    """
    if steps := getattr(learner, "look_ahead", 0):
        return LookAhead(rows=next_rows(stream, carry, steps)[1])
    return "team" if getattr(learner, "team", False) else getattr(learner, "all_actions", False)


def play_log(batch: Trajectory) -> dict[str, Array]:
    """Return scalars to log of what was played."""
    ended = jnp.sum(batch.done)
    return {
        "reward": jnp.mean(batch.metrics.reward),
        "episodes_ended": ended.astype(jnp.float32),
        "terminated_share": jnp.sum(batch.terminated) / jnp.maximum(ended, 1),
    }


@functools.partial(jax.jit, static_argnames=("world", "chunk"))
def advance(
    world: World,
    params: Any,
    stream: Stream[Any],
    learner: Learner,
    training: Training,
    iterations: Array,
    chunk: int,
) -> tuple[Training, dict[str, Array]]:
    """Run ``iterations`` (at most ``chunk``) rounds of playing and learning.

    Returns:
        the training, and logs ``[chunk]`` of which the first ``iterations`` entries are filled:
        the learner's own scalars, ``reward`` (mean per step and agent, no terminal part),
        ``episodes_ended`` and ``terminated_share``.
    """

    def once(training: Training) -> tuple[Training, dict[str, Array]]:
        policy = learner.policy(training.learner, explore=True)
        learn_key, training, batch = play(world, params, stream, learner, policy, training)
        state, log = learner.update(learn_key, training.learner, batch)
        return dataclasses.replace(training, learner=state), {**log, **play_log(batch)}

    return repeated(once, training, iterations, chunk)
