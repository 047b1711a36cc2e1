"""Several devices as agents: PettingZoo's own checkers, and equality with ``unroll``."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

import edgewright.adapters.gymnasium as single
import edgewright.adapters.pettingzoo as adapter
from edgewright.core.errors import InputError

THREE = {"world.devices": 3, "params.horizon_slots": 40}


def make(**overrides: Any) -> adapter.WorldParallelEnv:
    return adapter.make("aigc-heavy", overrides=THREE | overrides)


def test_pettingzoos_api_checker(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():  # its own words belong in the test log
        print(f"\npettingzoo {pettingzoo.__version__} parallel_api_test: ", end="")
        parallel_api_test(make(), num_cycles=200)


def test_pettingzoos_seed_checker(capsys: pytest.CaptureFixture[str]) -> None:
    parallel_seed_test(make, num_cycles=200)
    with capsys.disabled():
        print(f"\npettingzoo {pettingzoo.__version__} parallel_seed_test: no complaint")


def test_the_seed_checker_can_fail() -> None:
    class Forgetful(adapter.WorldParallelEnv):
        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            return super().reset(seed=None)

    def forgetful() -> Any:
        env = make()
        env.__class__ = Forgetful
        return env

    with pytest.raises(AssertionError, match="Incorrect"):
        parallel_seed_test(forgetful, num_cycles=50)


def test_bounds_are_infinite_where_the_world_gives_none() -> None:
    space = make().observation_space("device_1")
    assert space.high.tolist()[:7] == [np.inf, np.inf, 1.0, 1.0, 1.0, 100.0, np.inf]
    assert space.low[5] == -np.inf


def test_agents_stay_until_the_world_ends() -> None:
    """One battery is out early; its owner stays, earns nothing, and all leave together."""
    env = make(**{"params.horizon_slots": 60, "params.battery_j": 2000.0})
    env.reset(seed=2)
    spent: dict[str, int] = {}
    for slot in range(60):
        before = list(env.agents)
        _, rewards, terminated, truncated, infos = env.step(dict.fromkeys(env.agents, 2))
        assert before == env.possible_agents
        for agent in before:
            if infos[agent]["charge_pct"] < 10 and agent not in spent:
                spent[agent] = slot
            if agent in spent:
                assert rewards[agent] == 0.0
                assert infos[agent]["served"] == 0.0
        assert len(set(terminated.values())) == len(set(truncated.values())) == 1
        if not env.agents:
            break
    assert spent, "no battery ran out: the test does not see it"
    assert len(set(spent.values())) > 1
    assert all(terminated.values()) != all(truncated.values())
    with pytest.raises(InputError, match=r"reset\(\)"):
        env.step({})


def test_one_device_is_the_single_environment() -> None:
    one = adapter.make("aigc-heavy", overrides={**THREE, "world.devices": 1})
    other = single.make("aigc-heavy", overrides={"params.horizon_slots": 40})
    np.testing.assert_array_equal(one.reset(seed=7)[0]["device_1"], other.reset(seed=7)[0])
    for action in np.random.default_rng(0).integers(0, 9, 30):
        mine, their = one.step({"device_1": action}), other.step(action)
        np.testing.assert_array_equal(mine[0]["device_1"], their[0])
        assert [part["device_1"] for part in mine[1:4]] == list(their[1:4])
        assert mine[4]["device_1"] == their[4]
        if not one.agents:
            one.reset()
            other.reset()


def test_actions_that_are_wrong_are_named() -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(InputError, match="the action of 'device_2' is missing"):
        env.step({"device_1": 0, "device_3": 0})
    with pytest.raises(InputError, match="action of 'device_3' must be in .*; got 99"):
        env.step({"device_1": 0, "device_2": 0, "device_3": 99})
    assert isinstance(env.action_space("device_1"), gymnasium.spaces.Discrete)
