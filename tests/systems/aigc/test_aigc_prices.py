"""Greedy with prices: what a joule and room in a queue are taken to be worth, and who finds out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.loops.evaluate import (
    PrivilegedObservation,
    episode_inputs,
    evaluate,
    full_information,
)
from edgewright.systems.aigc import AigcInputs, AigcState, AigcWorld
from edgewright.systems.aigc.baselines import BatteryPrice, Greedy, price_battery
from edgewright.systems.aigc.baselines.bound import least_over_prices, no_self_congestion
from edgewright.systems.aigc.baselines.relaxation import relax
from edgewright.systems.aigc.baselines.shadow_prices import _waits_s

Build = Callable[..., Any]
KEY = jax.random.key(0)
CASES = 60
QUICK = {"xla_backend_optimization_level": 0}  # compiling takes longer than running here


def situations() -> tuple[AigcState, AigcInputs]:
    """Return ``[CASES, ...]`` situations in which no action ends an episode."""
    rng = np.random.default_rng(4)
    one, two = (CASES, 1), (CASES, 2)
    state = AigcState(
        charge_pct=jnp.asarray(rng.uniform(20, 100, one), jnp.float32),
        local_backlog_gcycles=jnp.asarray(rng.uniform(0, 6, one), jnp.float32),
        server_backlog_gcycles=jnp.asarray(rng.uniform(0, 60, two), jnp.float32),
        local_idle_slots=jnp.zeros(one),
        server_idle_slots=jnp.zeros(two),
        slot=jnp.asarray(rng.integers(0, 300, CASES), jnp.int32),
    )
    x = AigcInputs(
        input_mb=jnp.asarray(rng.uniform(10, 25, one), jnp.float32),
        work_gcycles=jnp.asarray(rng.uniform(3, 8, one), jnp.float32),
        mode=jnp.asarray(rng.integers(0, 3, one), jnp.int32),
        bandwidth_mbps=jnp.asarray(rng.uniform(50, 150, one), jnp.float32),
        background_gcps=jnp.asarray(rng.uniform(0, 20, two), jnp.float32),
        initial_charge_pct=jnp.ones(one),
        gap_s=jnp.full(CASES, 0.5),
    )
    return state, x


def priced(world: AigcWorld, joule: Any, charge_pct: Any = (0.0,)) -> BatteryPrice:
    """Return the policy with prices at the charges given, and room in queues for nothing."""
    prices, charges = jnp.asarray(joule, jnp.float32), jnp.asarray(charge_pct, jnp.float32)
    return BatteryPrice(world=world, charge_pct=charges, joule=prices, toll=jnp.zeros(()))


def decide(policy: Any, params: Any, state: AigcState, x: AigcInputs) -> np.ndarray:
    """Return the first action of an episode in each situation."""

    def one(state: AigcState, x: AigcInputs) -> Any:
        insight = PrivilegedObservation(params=params, state=state, x=x)
        return policy.act(KEY, policy.init_carry(KEY), insight)[1].action[0]

    return np.asarray(jax.jit(jax.vmap(one), compiler_options=QUICK)(state, x))


def test_a_joule_is_spent_only_where_it_brings_more_than_its_price(aigc_params: Build) -> None:
    """By exhaustion: every action is taken in the world, its joules read off the battery."""
    world, params = AigcWorld(), aigc_params()
    state, x = situations()

    def taken(action: Any) -> tuple[Any, Any]:
        step = jax.vmap(lambda s, one: world.step(params, s, action[None], one))
        out = step(state, x)
        spent = (state.charge_pct - out.state.charge_pct) / 100 * params.battery_j
        return out.reward[:, 0], spent[:, 0]

    every = jax.jit(lambda: jax.lax.map(taken, jnp.arange(world.actions)), compiler_options=QUICK)
    reward, joules = (np.asarray(a).T for a in every())
    means = []
    for price in (0.0, 0.01, 0.05, 0.3):
        value = reward - price * joules
        chosen = decide(priced(world, [price]), params, state, x)
        rows = np.arange(CASES)
        np.testing.assert_allclose(value[rows, chosen], value.max(axis=1), atol=2e-3)
        means.append(joules[rows, chosen].mean())
    assert means == sorted(means, reverse=True)  # a dearer joule is not spent more
    assert means[-1] < means[0]


def test_without_prices_it_is_greedy(aigc_params: Build) -> None:
    world, params = AigcWorld(), aigc_params()
    state, x = situations()

    def greedy(state: AigcState, x: AigcInputs) -> Any:
        insight = PrivilegedObservation(params=params, state=state, x=x)
        return Greedy(world=world).act(KEY, (), insight)[1].action[0]

    wanted = jax.jit(jax.vmap(greedy), compiler_options=QUICK)(state, x)
    np.testing.assert_array_equal(decide(priced(world, [0.0]), params, state, x), wanted)


def test_the_price_is_that_of_the_first_charge_and_stays(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world, params = AigcWorld(), aigc_params()
    policy = priced(world, [0.8, 0.2], charge_pct=[20.0, 80.0])
    look = functools.partial(PrivilegedObservation, params=params, x=aigc_inputs())
    memory, _ = policy.act(KEY, policy.init_carry(KEY), look(state=aigc_state(charge=50.0)))
    np.testing.assert_allclose(memory, 0.5, rtol=1e-6)  # half-way
    memory, _ = policy.act(KEY, memory, look(state=aigc_state(charge=20.0)))
    np.testing.assert_allclose(memory, 0.5, rtol=1e-6)


@pytest.mark.parametrize("slots", [200, 12], ids=["until it is empty", "until the horizon"])
def test_a_queue_costs_what_later_tasks_wait_behind_it(slots: int, aigc_params: Build) -> None:
    """Against a loop: one task a slot waits behind what is left of 10 s of work."""
    params, left, waited = aigc_params(), 10.0, 0.0
    drained = float(params.slot_s) * (1 - 0.6)
    for _ in range(slots):
        after = max(0.0, left - drained)
        waited += (left + after) / 2  # tasks arrive all through a slot
        left = after
    said = _waits_s(params, jnp.float32(10.0), 0.6, jnp.float32(slots))
    # the formula is per slot of arrivals: its sum over slots is the area under the queue
    assert float(said) == pytest.approx(waited, rel=1e-5)


def found_prices(build: Build, battery_j: float) -> tuple[Any, Any, BatteryPrice]:
    world, params = AigcWorld(), build(battery_j=battery_j, horizon_slots=60.0)
    return world, params, price_battery(KEY, world, params, world.inputs(params), 60)


def test_a_battery_that_runs_out_is_dearer_than_one_that_lasts(aigc_params: Build) -> None:
    _, _, plenty = found_prices(aigc_params, battery_j=1e6)
    world, params, scarce = found_prices(aigc_params, battery_j=400.0)
    assert float(scarce.joule.max()) > 4 * float(plenty.joule.max())
    # On the episodes that its prices were chosen on, it earns no less than greedy does.
    low = {"initial_charge_pct": [float(scarce.charge_pct[int(np.argmax(scarce.joule))])]}
    inputs = episode_inputs(KEY, world.inputs(params), 8, 60, low)
    earned = {
        name: np.asarray(
            evaluate(
                KEY,
                world,
                params,
                policy,
                inputs,
                post_termination_reward=-1.0,
                observe_fn=full_information,
            )["reward"]
        )
        for name, policy in (("priced", scarce), ("greedy", Greedy(world=world)))
    }
    assert earned["priced"].mean() > earned["greedy"].mean() + 0.01


def test_the_bound_prices_a_battery_where_it_binds(aigc_params: Build) -> None:
    world = AigcWorld()
    for battery_j, binds in ((1e6, False), (700.0, True)):
        params = aigc_params(battery_j=battery_j, horizon_slots=200.0)
        low = {"initial_charge_pct": [60.0]}
        inputs = episode_inputs(KEY, world.inputs(params), 4, 200, low)
        least = functools.partial(least_over_prices, world, params, missed=jnp.float32(-1.0))
        prices = np.asarray(jax.vmap(least)(relax(world, params, inputs))[1])
        assert prices.shape == (4, 1)
        bound = np.asarray(no_self_congestion(world, params, inputs, -1.0))
        unpriced = np.asarray(no_self_congestion(world, params, inputs, -1.0, battery=False))
        if binds:
            assert (prices > 0).all()
            assert (bound < unpriced).all()
        else:
            np.testing.assert_array_equal(prices, 0.0)
            np.testing.assert_allclose(bound, unpriced)


def test_the_prices_are_found_on_the_episodes_of_the_key(aigc_params: Build) -> None:
    world, params = AigcWorld(), aigc_params(battery_j=400.0, horizon_slots=60.0)
    stream = world.inputs(params)
    again = [price_battery(jax.random.key(n), world, params, stream, 60) for n in (0, 0, 1)]
    np.testing.assert_array_equal(again[0].joule, again[1].joule)
    assert not np.array_equal(again[0].joule, again[2].joule)
    assert float(again[0].toll) == 0.0
