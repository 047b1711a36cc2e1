"""The planner that looks a few slots ahead with the prices of the rule on both ends."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.loops.evaluate import (
    PrivilegedObservation,
    episode_inputs,
    evaluate,
    full_information,
)
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.aigc import AigcWorld
from edgewright.systems.aigc.baselines import BatteryPrice, PricedRollout
from edgewright.systems.aigc.baselines.rollout import futures_of
from edgewright.systems.aigc.policies import policy

KEY = jax.random.key(3)
Build = Callable[..., Any]
FUTURES = 3
QUICK = {"xla_backend_optimization_level": 0}  # compiling takes longer than running here


@functools.partial(jax.jit, compiler_options=QUICK)
def act(policy: Any, carry: Any, look: PrivilegedObservation) -> Any:
    """Return the action of each device."""
    return policy.act(KEY, carry, look)[1].action


@functools.partial(jax.jit, static_argnames="world", compiler_options=QUICK)
def step(world: AigcWorld, look: PrivilegedObservation, action: Any) -> Any:
    """Return the outcome of an action."""
    return world.step(look.params, look.state, action, look.x)


def rule(world: AigcWorld, joule: float, toll: float) -> BatteryPrice:
    """Return the rule with one price at every charge."""
    return BatteryPrice(
        world=world,
        charge_pct=jnp.array([0.0]),
        joule=jnp.array([joule], jnp.float32),
        toll=jnp.float32(toll),
    )


def situation(build: Build, state: Build, inputs: Build) -> PrivilegedObservation:
    """Return a moment in which queues are deep enough for their price to count."""
    params = build(horizon_slots=100.0)
    return PrivilegedObservation(
        params=params, state=state(charge=60.0, local=4.0, server=[40.0, 15.0]), x=inputs()
    )


def test_it_takes_the_action_with_the_best_mean_over_its_futures(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    """Against loops: each action, then in each future the rule's, then what is left is paid."""
    world = AigcWorld()
    look = situation(aigc_params, aigc_state, aigc_inputs)
    stream = world.inputs(look.params)
    rows = futures_of(KEY, stream, look.x, FUTURES, 1)
    for joule, toll in ((0.0, 0.0), (0.004, 1.0), (0.02, 0.3)):
        priced, carry = rule(world, joule, toll), jnp.array([joule], jnp.float32)
        _, prices = priced.prices(carry, look)
        values = []
        for action in range(world.actions):
            first = step(world, look, jnp.array([action]))
            later = []
            for future in range(FUTURES):
                x = jax.tree.map(lambda leaf, n=future: leaf[n, 0], rows)
                then = dataclasses.replace(look, state=first.state, x=x)
                last = step(world, then, act(priced, carry, then))
                paid = joule * float(last.metrics.device_energy_j[0])
                left = float(prices.left(world, look.params, last.state))
                later.append(float(last.reward[0]) - paid - left)
            paid = joule * float(first.metrics.device_energy_j[0])
            values.append(float(first.reward[0]) - paid + np.mean(later))
        planner = PricedRollout(rule=priced, model=stream, horizon=2, futures=FUTURES)
        chosen = int(act(planner, planner.init_carry(KEY), look)[0])
        np.testing.assert_allclose(values[chosen], max(values), rtol=1e-5)


def test_without_a_future_and_a_price_of_queues_it_is_the_rule(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world = AigcWorld()
    look = situation(aigc_params, aigc_state, aigc_inputs)
    stream = world.inputs(look.params)
    for joule in (0.0, 0.01, 0.1):
        priced = rule(world, joule, toll=0.0)
        planner = PricedRollout(rule=priced, model=stream, horizon=1)
        carry = priced.init_carry(KEY)
        np.testing.assert_array_equal(act(planner, carry, look), act(priced, carry, look))


def test_what_follows_the_last_slot_does_not_count(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    """In the last slot of an episode any number of imagined ones leaves the decision as it is."""
    world = AigcWorld()
    look = situation(aigc_params, aigc_state, aigc_inputs)
    look = dataclasses.replace(look, state=dataclasses.replace(look.state, slot=jnp.int32(99)))
    priced, stream = rule(world, 0.01, toll=1.0), world.inputs(look.params)
    one, three = (
        PricedRollout(rule=priced, model=stream, horizon=horizon, futures=FUTURES)
        for horizon in (1, 3)
    )
    carry = priced.init_carry(KEY)
    np.testing.assert_array_equal(act(three, carry, look), act(one, carry, look))


def test_it_earns_more_than_the_rule_whose_prices_it_has() -> None:
    """On 32 short episodes of the heavy scenario, paired: further than three errors from zero."""
    problem = build(load("aigc-heavy", {"params.horizon_slots": 150}))
    inputs = episode_inputs(
        jax.random.key(8), problem.test_stream, 32, 150, {"initial_charge_pct": [100.0, 45.0]}
    )
    earned = []
    for name in ("shadow-price", "shadow-rollout-2"):
        entry = policy(name, problem)
        assert entry is not None
        score = evaluate(
            jax.random.key(9), problem.world, problem.params, entry.policy, inputs,
            post_termination_reward=-1.0, observe_fn=full_information,
        )  # fmt: skip
        earned.append(np.asarray(score["reward"]))
    gain = earned[1] - earned[0]
    assert gain.mean() > 3 * gain.std(ddof=1) / np.sqrt(len(gain)) > 0
