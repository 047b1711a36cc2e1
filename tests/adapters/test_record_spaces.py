"""Worlds whose action is a record, through Gymnasium and PettingZoo and their own checkers."""

from __future__ import annotations

import dataclasses
import warnings

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test

from edgewright.adapters import gymnasium as adapter
from edgewright.adapters import pettingzoo, spaces
from edgewright.core.errors import InputError
from edgewright.core.records import Array, Outcome, record
from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Uniform

HORIZON = 5


@record
class Inputs:
    demand: Array  # [*agents, 3]


@record
class Metrics:
    reward: Array
    power_w: Array


@dataclasses.dataclass(frozen=True)
class RecordProbe:
    """Reward: demand of what is cached, plus shares given out, less the power chosen."""

    agents: tuple[int, ...] = ()

    def inputs(self, params):
        shape = (*self.agents, 3)
        return Composite(into=Inputs, fields={"demand": Uniform(low=0.0, high=1.0, shape=shape)})

    def reset(self, params, x):
        return jnp.zeros((), jnp.int32)

    def observe(self, params, state, x):
        return x.demand

    def step(self, params, state, action, x):
        power = jnp.sum(action["power_w"], axis=-1)
        reward = jnp.sum(action["cache"] * x.demand, axis=-1) - power
        reward = reward + jnp.sum(action["share"], axis=-1) * (1 + action["level"])
        after = state + 1
        return Outcome(
            state=after,
            reward=reward,
            terminated=jnp.zeros((), bool),
            truncated=after >= HORIZON,
            metrics=Metrics(reward=reward, power_w=power),
        )

    def observation_space(self, params):
        return Box(0.0, 1.0, (*self.agents, 3))

    def action_space(self, params):
        parts = {
            "cache": Bits((*self.agents, 3)),
            "share": Simplex((*self.agents, 2), at_most=True),
            "power_w": Box((0.0, -1.0), (0.5, 2.0), (*self.agents, 2)),
            "level": Discrete(2, self.agents),
        }
        return Record(tuple(parts.items()))


def env_of(world: RecordProbe, count: int | None = None):
    if count is None:
        return adapter.WorldEnv(world, None, world.inputs(None))
    return adapter.WorldVectorEnv(world, None, world.inputs(None), count)


ACTION = {
    "cache": np.array([1, 0, 1]),
    "share": np.array([0.25, 0.5]),
    "power_w": np.array([0.5, -1.0]),
    "level": 1,
}
"""Number types as a user writes them: int64 and float64."""


def test_the_dict_has_a_space_for_each_part_with_its_own_bounds():
    space = env_of(RecordProbe()).action_space
    assert isinstance(space, gymnasium.spaces.Dict)
    assert space["cache"] == gymnasium.spaces.MultiBinary((3,))
    assert space["level"] == gymnasium.spaces.Discrete(2)
    np.testing.assert_array_equal(space["power_w"].low, np.float32([0.0, -1.0]))
    np.testing.assert_array_equal(space["power_w"].high, np.float32([0.5, 2.0]))
    assert space["share"] == spaces.SimplexBox((2,), at_most=True)
    assert space["share"] != spaces.SimplexBox((2,))


@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric:UserWarning")
def test_gymnasiums_checker_accepts_it_and_the_reward_is_the_worlds():
    env = env_of(RecordProbe())
    check_env(env, skip_render_check=True)
    observation, _ = env.reset(seed=3)
    _, reward, *_, info = env.step(ACTION)
    expected = observation[0] + observation[2] - (0.5 - 1.0) + 0.75 * 2
    assert reward == pytest.approx(expected, abs=1e-6)
    assert info["power_w"] == pytest.approx(-0.5)


def test_copies_play_what_one_plays():
    alone, many = env_of(RecordProbe()), env_of(RecordProbe(), 3)
    many.action_space.seed(0)
    first, _ = many.reset(seed=7)
    observation, _ = alone.reset(seed=8)
    np.testing.assert_array_equal(first[1], observation)
    for _ in range(2 * HORIZON):
        actions = many.action_space.sample()
        _, rewards, _, truncated, _ = many.step(actions)
        _, reward, _, over, _ = alone.step({name: part[1] for name, part in actions.items()})
        assert rewards[1] == pytest.approx(reward, abs=1e-6)
        assert bool(truncated[1]) == over
        if over:
            alone.reset()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("cache", np.array([2, 0, 0])),
        ("share", np.array([0.75, 0.5])),
        ("share", np.array([-0.25, 0.5])),
        ("power_w", np.array([0.75, 0.0])),
        ("level", 2),
        ("level", 0.5),
        ("other", 1),
    ],
)
def test_a_part_outside_its_space_is_refused(part, value):
    env, many = env_of(RecordProbe()), env_of(RecordProbe(), 2)
    env.reset(seed=0)
    many.reset(seed=0)
    with pytest.raises(InputError, match="must be in Dict"):
        env.step({**ACTION, part: value})
    both = {name: np.stack([np.asarray(one)] * 2) for name, one in {**ACTION, part: value}.items()}
    with pytest.raises(InputError, match="must be in Dict"):
        many.step(both)


def test_shares_that_must_sum_to_one_do():
    space = spaces.SimplexBox((4, 3), seed=0)
    drawn = space.sample()
    np.testing.assert_allclose(drawn.sum(axis=-1), 1.0, atol=1e-6)
    assert space.contains(drawn)
    assert not space.contains(0.9 * drawn)
    assert spaces.SimplexBox((4, 3), at_most=True).contains(np.float32(0.9) * drawn)


def test_pettingzoos_checker_accepts_one_record_for_each_agent():
    world = RecordProbe((2,))
    env = pettingzoo.WorldParallelEnv(world, None, world.inputs(None))
    parallel_api_test(env, num_cycles=12)
    observations, _ = env.reset(seed=1)
    other = {**ACTION, "cache": np.array([0, 1, 0]), "level": 0}
    _, rewards, *_ = env.step({"device_1": ACTION, "device_2": other})
    seen = observations["device_1"], observations["device_2"]
    assert rewards["device_1"] == pytest.approx(seen[0][0] + seen[0][2] + 0.5 + 1.5, abs=1e-6)
    assert rewards["device_2"] == pytest.approx(seen[1][1] + 0.5 + 0.75, abs=1e-6)


def test_a_part_that_agents_share_is_refused_in_words():
    @dataclasses.dataclass(frozen=True)
    class Shared(RecordProbe):
        def action_space(self, params):
            return Record((("cache", Bits((3,))),))

    world = Shared((2,))
    with pytest.raises(InputError, match=r"'cache' must begin with the axes \(2,\)"):
        pettingzoo.WorldParallelEnv(world, None, world.inputs(None))


def test_a_caching_scenario_passes_the_checker_and_has_no_agents():
    env = gymnasium.make("Edgewright/caching-toy-v0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bounds of observations are open where the world has none
        check_env(env.unwrapped, skip_render_check=True)
    assert set(env.action_space.spaces) == {"cache", "server"}
    with pytest.raises(InputError, match="no axis of devices") as refused:
        pettingzoo.make("caching-toy")
    assert "edgewright.adapters.gymnasium" in refused.value.hint
