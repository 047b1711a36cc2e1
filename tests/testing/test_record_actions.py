"""A world whose action is a record keeps the laws and plays in the one loop that resets."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import CheckFailed
from edgewright.core.records import Array, Decision, Outcome, record
from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex
from edgewright.loops.unroll import init_rollout, next_rows, unroll
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Uniform
from edgewright.testing import check_policy, check_world
from edgewright.testing.play import Anything

SPACE = Record(
    (("cache", Bits((3,))), ("share", Simplex((2,), at_most=True)), ("level", Discrete(2)))
)
HORIZON = 4


@record
class Params:
    value: Array  # [3] of each cached item


@record
class Inputs:
    demand: Array  # [3]


@record
class Metrics:
    reward: Array
    left: Array


@dataclasses.dataclass(frozen=True)
class CacheProbe:
    """Reward: value of what is cached and wanted, plus the shares given out."""

    def inputs(self, params):
        return Composite(into=Inputs, fields={"demand": Uniform(low=0.0, high=1.0, shape=(3,))})

    def reset(self, params, x):
        return jnp.zeros((), jnp.int32)

    def observe(self, params, state, x):
        return x.demand

    def step(self, params, state, action, x):
        cached = jnp.sum(action["cache"] * params.value * x.demand)
        reward = cached + jnp.sum(action["share"]) * (1 + action["level"])
        after = state + 1
        return Outcome(
            state=after,
            reward=reward,
            terminated=jnp.zeros((), bool),
            truncated=after >= HORIZON,
            metrics=Metrics(reward=reward, left=1.0 - jnp.sum(action["share"])),
        )

    def observation_space(self, params):
        return Box(0.0, 1.0, (3,))

    def action_space(self, params):
        return SPACE


PARAMS = Params(value=jnp.array([1.0, 2.0, 3.0]))


def test_it_keeps_the_laws():
    check_world(CacheProbe(), PARAMS)


def test_it_plays_and_is_reset_at_its_end():
    world, key = CacheProbe(), jax.random.key(0)
    stream = world.inputs(PARAMS)
    carry = jax.vmap(stream.init_carry)(jax.random.split(key, 5))
    _, rows = next_rows(stream, carry, 2 * HORIZON + 1)
    first, rest = (jax.tree.map(lambda leaf, s=s: leaf[s], rows) for s in (0, slice(1, None)))
    policy = Anything(space=SPACE)
    envs = init_rollout(key, world, PARAMS, policy, first)
    _, played = unroll(key, world, PARAMS, policy, envs, rest)
    assert played.action["cache"].shape == (2 * HORIZON, 5, 3)
    cached = (played.action["cache"] * PARAMS.value * played.observation).sum(axis=-1)
    shares = played.action["share"].sum(axis=-1) * (1 + played.action["level"])
    np.testing.assert_allclose(played.reward, cached + shares, rtol=1e-5)
    np.testing.assert_array_equal(np.flatnonzero(played.truncated[:, 0]), [3, 7])
    assert np.all(played.metrics.left >= -1e-6)


@record
class Wrong:
    """Caches two of an item."""

    def init_carry(self, key):
        return ()

    def act(self, key, carry, observation):
        action = SPACE.sample(jax.random.key(0))
        return carry, Decision(action={**action, "cache": jnp.array([0, 2, 1])}, aux=())


def test_a_part_that_is_not_legal_is_refused():
    with pytest.raises(CheckFailed, match="an action lies in action_space"):
        check_policy(Wrong(), CacheProbe(), PARAMS)
