"""Baselines for many devices: greedy in turn, rules within reach, the planner, the bound."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.loops.evaluate import PrivilegedObservation, evaluate, full_information
from edgewright.systems.aigc import AigcWorld, price
from edgewright.systems.aigc.baselines import (
    AigcHeuristic,
    Greedy,
    GreedyInTurn,
    Random,
    Rollout,
    Rule,
    no_self_congestion,
)

Build = Callable[..., Any]
M, N = 5, 4
NUMBERS: dict[str, Any] = {
    "server_ghz": [16.0, 11.0, 20.0, 9.0],
    "background_utilisation": [0.5, 0.6, 0.4, 0.5],
    "load_limit_gcycles": 60.0,
    "device_ghz": [2.0, 1.5, 2.5, 3.0, 1.0],
    "battery_j": [6e3, 9e3, 12e3, 5e3, 7e3],
    "horizon_slots": 30.0,
}
TABLE = np.array([[0, 1], [0, 2], [3, 0], [2, 1], [0, 3]], np.int32)
QUICK = {"xla_backend_optimization_level": 0}


@pytest.fixture(scope="module")
def fleet(aigc_params: Build) -> tuple[AigcWorld, Any]:
    params = dataclasses.replace(aigc_params(**NUMBERS), neighbours=jnp.asarray(TABLE))
    return AigcWorld(devices=M, servers=N, reach=2, overflow="reject"), params


def situation(rng: np.random.Generator, state: Build, inputs: Build) -> tuple[Any, Any]:
    here = state(
        M, N, charge=rng.uniform(15, 100, M), local=rng.uniform(0, 10, M),
        server=rng.uniform(0, 58, N),
    )  # fmt: skip
    x = inputs(
        M, N, input_mb=rng.uniform(10, 25, M), work_gcycles=rng.uniform(3, 8, M),
        mode=rng.integers(0, 3, M), bandwidth_mbps=rng.uniform(50, 150, M),
    )  # fmt: skip
    return here, x


def slow_greedy_in_turn(world: AigcWorld, params: Any, state: Any, x: Any) -> list[int]:
    """By loops: price every action of a device, then put its work on the server for the next."""
    load = np.asarray(state.server_backlog_gcycles, np.float64).copy()
    multiplier = np.asarray(params.quality_multiplier)
    chosen = []
    for device in range(world.devices):
        here = dataclasses.replace(state, server_backlog_gcycles=jnp.asarray(load, jnp.float32))
        best, most = 0, -np.inf
        for action in range(world.actions):
            location, level = divmod(action, world.qualities)
            places = jnp.full(world.devices, location)
            told = PRICE(world, params, here, x, places, jnp.full_like(places, level))
            work = float(x.work_gcycles[device]) * multiplier[level]
            reward = float(told.reward[device])
            full = location > 0 and work > 60.0 - load[TABLE[device, location - 1]]
            reward = float(params.rejected_reward) if full else reward
            if reward > most + 1e-6:
                best, most = action, reward
        location, level = divmod(best, world.qualities)
        if location > 0:
            load[TABLE[device, location - 1]] += float(x.work_gcycles[device]) * multiplier[level]
        chosen.append(best)
    return chosen


PRICE = jax.jit(
    lambda world, *row: price(world, *row, together=False), static_argnums=0, compiler_options=QUICK
)


def test_greedy_in_turn_by_loops(fleet: Any, aigc_state: Build, aigc_inputs: Build) -> None:
    world, params = fleet
    act = jax.jit(lambda policy, seen: policy.act(jax.random.key(0), (), seen)[1].action)
    rng, differs = np.random.default_rng(5), 0
    for _ in range(6):
        state, x = situation(rng, aigc_state, aigc_inputs)
        seen = PrivilegedObservation(params=params, state=state, x=x)
        made = np.asarray(act(GreedyInTurn(world=world), seen)).tolist()
        assert made == slow_greedy_in_turn(world, params, state, x)
        differs += made != np.asarray(act(Greedy(world=world), seen)).tolist()
    assert differs > 0


def test_two_devices_do_not_rush_to_the_same_server(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    """Alike devices, alike servers, one of them a little busier: greedy sends both to the other."""
    world = AigcWorld(devices=2)
    x, state = aigc_inputs(2, mode=2), aigc_state(2, server=[1.0, 0.0])
    seen = PrivilegedObservation(params=aigc_params(), state=state, x=x)
    rush = Greedy(world=world).act(jax.random.key(0), (), seen)[1].action // 3
    apart = GreedyInTurn(world=world).act(jax.random.key(0), (), seen)[1].action // 3
    np.testing.assert_array_equal(rush, [2, 2])
    np.testing.assert_array_equal(apart, [2, 1])


def test_for_a_single_device_it_is_greedy(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world, params = AigcWorld(), aigc_params()
    for mode, server in ((0, [0.0, 30.0]), (1, [50.0, 1.0]), (2, [150.0, 150.0])):
        seen = PrivilegedObservation(
            params=params, state=aigc_state(server=server), x=aigc_inputs(mode=mode)
        )
        both = [p.act(jax.random.key(0), (), seen)[1].action for p in (
            GreedyInTurn(world=world), Greedy(world=world))]  # fmt: skip
        np.testing.assert_array_equal(*both)


def test_rules_look_no_further_than_they_reach(
    fleet: Any, aigc_state: Build, aigc_inputs: Build
) -> None:
    world, params = fleet
    # waits: 16/16 = 1, 5.5/11 = 0.5, 40/20 = 2, 0.9/9 = 0.1 s; rows of the table as above
    state = aigc_state(M, N, charge=20.0, local=100.0, server=[16.0, 5.5, 40.0, 0.9])
    x = aigc_inputs(M, N, mode=2)
    seen = PrivilegedObservation(params=params, state=state, x=x)
    rule = Rule(world=world, location="shortest", level=1)
    action = np.asarray(rule.act(jax.random.key(0), (), seen)[1].action)
    np.testing.assert_array_equal(action, np.array([2, 1, 1, 2, 2]) * 3 + 1)
    fair = AigcHeuristic(world=world, fair=True).act(jax.random.key(0), (), seen)[1].action
    # a full local queue: everybody goes to the least loaded in reach, one level below the best
    np.testing.assert_array_equal(fair, np.array([2, 1, 1, 2, 2]) * 3 + 1)


def test_the_bound_holds_and_more_coordination_earns_more(fleet: Any, aigc_rows: Build) -> None:
    world, params = fleet
    rng, episodes = np.random.default_rng(6), 6
    several = [aigc_rows(rng, 31, M, N, load_gcps=7.0, charge=(12, 60)) for _ in range(episodes)]
    inputs = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *several)
    model = world.inputs(params)
    policies = {
        "random": Random(world=world),
        "greedy": Greedy(world=world),
        "in turn": GreedyInTurn(world=world),
        "planner": Rollout(world=world, model=model, horizon=4, futures=2),
    }
    bound = np.asarray(no_self_congestion(world, params, inputs, -1.0))
    earned = {}
    for name, policy in policies.items():
        found = evaluate(
            jax.random.key(0), world, params, policy, inputs, post_termination_reward=-1.0,
            observe_fn=full_information,
        )  # fmt: skip
        assert np.all(np.asarray(found["reward"]) <= bound + 1e-5), name
        earned[name] = float(np.mean(found["reward"]))
    assert earned["random"] < earned["greedy"] < earned["in turn"] < earned["planner"]
