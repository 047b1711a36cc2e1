"""Shared by the tests of learners: one small world, and trajectories played in it."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from edgewright.core.records import Trajectory
from edgewright.loops.online import advance, init_training
from edgewright.loops.unroll import init_rollout, next_rows, unroll
from edgewright.systems.probes import ProbeParams, ProbeWorld, probe

WORLD = ProbeWorld()


@functools.partial(jax.jit, static_argnames=("steps", "games"))
def _play(key: Any, params: Any, policy: Any, steps: int, games: int) -> Trajectory:
    stream_key, rollout_key, play_key = jax.random.split(key, 3)
    stream = WORLD.inputs(params)
    carry = jax.vmap(stream.init_carry)(jax.random.split(stream_key, games))
    _, rows = next_rows(stream, carry, steps + 1)
    first, after = jax.tree.map(lambda a: a[0], rows), jax.tree.map(lambda a: a[1:], rows)
    start = init_rollout(rollout_key, WORLD, params, policy, first)
    return unroll(play_key, WORLD, params, policy, start, after)[1]


@pytest.fixture(scope="session")
def world() -> ProbeWorld:
    """Return the world of all tests of learners."""
    return WORLD


@pytest.fixture(scope="session")
def params() -> ProbeParams:
    """Return three slots in which the action must match the cue: something of everything."""
    return dataclasses.replace(
        probe("match"), slots=jnp.float32(3), slot_seen=jnp.float32(1), reward_last=jnp.float32(1)
    )


@pytest.fixture(scope="session")
def begin(params: ProbeParams) -> Any:
    """Return a function ``(learner, seed) -> state`` before learning."""

    @jax.jit
    def start(learner: Any, key: Any) -> Any:
        return learner.init(key, WORLD.observation_space(params), WORLD.action_space(params))

    return lambda learner, seed=0: start(learner, jax.random.key(seed))


@pytest.fixture(scope="session")
def play(params: ProbeParams) -> Any:
    """Return a function ``(learner, state, seed) -> trajectory`` of one rollout."""

    def played(learner: Any, state: Any, seed: int = 0) -> Trajectory:
        policy = learner.policy(state, explore=True)
        sizes = learner.rollout_steps, learner.num_envs
        return _play(jax.random.key(seed), params, policy, *sizes)

    return played


@pytest.fixture(scope="session")
def update() -> Any:
    """Return a compiled ``(learner, seed, state, batch) -> (state, log)`` that counts traces."""
    traces: list[str] = []

    @jax.jit
    def learn(learner: Any, key: Any, state: Any, batch: Any) -> Any:
        traces.append(type(learner).__name__)
        return learner.update(key, state, batch)

    def updated(learner: Any, seed: int, state: Any, batch: Any) -> Any:
        return learn(learner, jax.random.key(seed), state, batch)

    updated.traces = traces  # pyright: ignore[reportFunctionMemberAccess]
    return updated


@pytest.fixture(scope="session")
def train_seeds() -> Any:
    """Return ``(world, params, learner, updates, seeds) -> states [seeds, ...]``."""

    def trained(world: Any, params: Any, learner: Any, updates: int, seeds: int) -> Any:
        stream = world.inputs(params)

        @jax.jit
        @functools.partial(jax.vmap, in_axes=(0, None, None))
        def train(key: Any, params: Any, learner: Any) -> Any:
            start = init_training(key, world, params, stream, learner)
            return advance(world, params, stream, learner, start, jnp.int32(updates), updates)[0]

        return train(jax.random.split(jax.random.key(0), seeds), params, learner).learner

    return trained
