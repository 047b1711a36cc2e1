"""Bounds of the optimum from both sides: exact if it is known, ordered everywhere."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, record
from edgewright.loops.evaluate import full_information, run_episodes_each, summarise
from edgewright.papers.bounds import measure_bounds
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.systems.aigc.baselines import beam_search, fluid, no_self_congestion
from edgewright.systems.aigc.baselines.dynamic_program import best_mean, tabulate
from edgewright.systems.aigc.baselines.fluid import charges, descend
from edgewright.systems.aigc.baselines.relaxation import best_charge, relax, scarce_at
from edgewright.training.runs import evaluation_inputs

MISSED = -1.0
ROUNDING = 1e-4

WORLDS: dict[str, dict[str, Any]] = {
    "one": {},
    "one reject": {"world.overflow": "reject"},
    "four near": {"world.devices": 4, "world.servers": 3, "world.reach": 2,
                  "params.background_utilisation": 0.6,
                  "params.placement": {"kind": "uniform", "width_m": 500.0, "height_m": 500.0,
                                       "seed": 1}},
}  # fmt: skip
"""Switches under which the bounds are tried; all with small batteries and small servers."""


@record
class Script:
    """Follow a list of actions ``[T, M]``."""

    actions: Array

    def init_carry(self, key: Array) -> tuple[()]:
        return ()

    def act(self, key: Array, carry: tuple[()], insight: Any) -> tuple[tuple[()], Decision]:
        return carry, Decision(action=self.actions[insight.state.slot], aux=())


@functools.cache
def small(name: str, slots: int = 40) -> Problem:
    """Return a heavy world where congestion and the battery both bind within few slots."""
    numbers = {
        "params.horizon_slots": slots, "params.battery_j": 1500.0,
        "params.load_limit_gcycles": 60.0,
    }  # fmt: skip
    return build(load("aigc-heavy", {**numbers, **WORLDS[name]}))


@functools.cache
def few_inputs(name: str, episodes: int = 4) -> Any:
    """Return inputs ``[T + 1, E, ...]`` whose charge goes round the pinned levels."""
    overrides = {"params.horizon_slots": 40, **WORLDS[name]}
    return evaluation_inputs(load("aigc-heavy", overrides), small(name), episodes)


def earned(problem: Problem, inputs: Any, actions: Array) -> np.ndarray:
    """Return the mean reward of each episode ``[E]`` of scripts ``[E, T, M]``."""
    known = (problem.world, problem.params, Script(actions=actions), inputs)
    played = run_episodes_each(jax.random.key(0), *known, observe_fn=full_information)
    return np.asarray(summarise(played, jnp.float32(MISSED))["reward"])


# --- the exact optimum -------------------------------------------------------------------------


def toy(slots: int, **numbers: Any) -> Problem:
    overrides = {f"params.{name}": value for name, value in numbers.items()}
    return build(load("aigc-toy", {"params.horizon_slots": slots, **overrides}))


def slow_optimum(problem: Problem, slots: int) -> float:
    """Return the optimum by writing out the whole tree of actions and modes. ``[]``."""
    world, params = problem.world, problem.params
    _, rows = problem.train_stream.next_rows(problem.train_stream.init_carry(jax.random.key(0)), 1)
    row = jax.tree.map(lambda leaf: leaf[0], rows)
    modes = np.asarray(problem.train_stream.fields["mode"].probabilities)

    def branch(state: Any, mode: Array, action: Array) -> Any:
        x = dataclasses.replace(row, mode=mode[None])
        outcome = world.step(params, state, action[None], x)
        return outcome.state, outcome.metrics.reward[0], outcome.terminated

    pairs = np.asarray(list(itertools.product(range(3), range(world.actions))))
    of_all = jax.jit(jax.vmap(jax.vmap(branch, in_axes=(None, 0, 0)), in_axes=(0, None, None)))
    states = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], world.reset(params, row))
    rewards, ends = [], []
    for _ in range(slots):
        following, reward, ended = of_all(states, *jnp.asarray(pairs).T)
        rewards.append(np.asarray(reward))
        ends.append(np.asarray(ended))
        states = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), following)
    value = np.zeros(rewards[-1].size)
    for left, (reward, ended) in enumerate(zip(rewards[::-1], ends[::-1], strict=True)):
        total = reward + np.where(ended, left * MISSED, value.reshape(reward.shape))
        value = total.reshape(-1, 3, world.actions).max(axis=-1) @ modes
    return float(value[0])


@pytest.mark.parametrize(
    ("what", "numbers"),
    [
        ("plenty", {}),
        ("queue", {"load_limit_gcycles": 8.0}),
        ("battery", {"battery_j": 40.0, "low_charge_pct": 60.0}),  # 20 J above the floor
    ],
)
def test_dynamic_program_by_brute_force(what: str, numbers: dict[str, Any]) -> None:
    slots = 3
    problem = toy(slots, **numbers)
    _, rows = problem.train_stream.next_rows(problem.train_stream.init_carry(jax.random.key(0)), 1)
    row = jax.tree.map(lambda leaf: leaf[0], rows)
    modes = problem.train_stream.fields["mode"].probabilities
    model = tabulate(problem.world, problem.params, row, modes, deepest_gcycles=16.0)
    found = best_mean(model, slots, MISSED)
    start = model.lattice.index(problem.world.reset(problem.params, row))
    assert float(found.value[start]) == pytest.approx(slow_optimum(problem, slots), abs=1e-5)


def test_the_optimum_is_what_its_policy_earns() -> None:
    slots = 60
    problem = toy(slots)
    inputs = evaluation_inputs(load("aigc-toy", {"params.horizon_slots": slots}), problem, 400)
    best = baseline("optimum", problem)
    found = summarise(best.play(jax.random.key(0), problem.params, inputs), jnp.float32(MISSED))
    rewards = np.asarray(found["reward"])

    _, rows = problem.train_stream.next_rows(problem.train_stream.init_carry(jax.random.key(0)), 1)
    row = jax.tree.map(lambda leaf: leaf[0], rows)
    modes = problem.train_stream.fields["mode"].probabilities
    values = []
    for deepest in (10.0, 16.0):  # a deeper queue changes nothing: the tables are deep enough
        model = tabulate(problem.world, problem.params, row, modes, deepest_gcycles=deepest)
        start = model.lattice.index(problem.world.reset(problem.params, row))
        values.append(float(best_mean(model, slots, MISSED).value[start]) / slots)
    assert values[0] == pytest.approx(values[1], abs=1e-6)
    assert abs(rewards.mean() - values[0]) < 4 * rewards.std() / np.sqrt(rewards.size)

    greedy = baseline("greedy", problem).play(jax.random.key(0), problem.params, inputs)
    gain = rewards - np.asarray(summarise(greedy, jnp.float32(MISSED))["reward"])
    assert gain.mean() > 3 * gain.std() / np.sqrt(gain.size)
    bound = no_self_congestion(problem.world, problem.params, inputs, MISSED)
    assert rewards.mean() < float(jnp.mean(bound))


def test_the_optimum_says_what_it_cannot_solve() -> None:
    with pytest.raises(InputError, match="input_mb, work_gcycles, bandwidth_mbps"):
        baseline("optimum", build(load("aigc-heavy")))
    with pytest.raises(InputError, match="values, more than"):  # of the charge, as energies differ
        baseline("optimum", build(load("aigc-toy", {"streams.input_mb.value": 19.13})))


# --- plans made in hindsight -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["one", "one reject"])
def test_a_plan_earns_what_it_says(name: str) -> None:
    problem, inputs = small(name), few_inputs(name)
    plan = beam_search(problem.world, problem.params, inputs, MISSED, width=8)
    np.testing.assert_allclose(earned(problem, inputs, plan.actions), plan.value, atol=ROUNDING)


def test_a_beam_that_keeps_everything_is_exhaustive() -> None:
    slots = 3
    problem = build(load("aigc-heavy", {"params.horizon_slots": slots, "world.servers": 1,
                                      "params.background_utilisation": 0.5}))  # fmt: skip
    scenario = load("aigc-heavy", {"params.horizon_slots": slots, "world.servers": 1,
                                   "params.background_utilisation": 0.5})  # fmt: skip
    inputs = evaluation_inputs(scenario, problem, 2)
    every = np.asarray(
        list(itertools.product(range(problem.world.actions), repeat=slots)), np.int32
    )
    best = np.max(
        [earned(problem, inputs, jnp.broadcast_to(a[None, :, None], (2, slots, 1))) for a in every],
        axis=0,
    )
    plan = beam_search(problem.world, problem.params, inputs, MISSED, width=len(every))
    np.testing.assert_allclose(plan.value, best, atol=ROUNDING)


def test_beam_search_refuses_many_devices() -> None:
    problem = small("four near")
    with pytest.raises(InputError, match="one device"):
        beam_search(problem.world, problem.params, few_inputs("four near"), MISSED)


# --- bounds ------------------------------------------------------------------------------------


@functools.cache
def bounds(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the fluid and the no-self-congestion bound of each episode, ``[E]`` each."""
    problem, inputs = small(name), few_inputs(name)
    known = (problem.world, problem.params, inputs, MISSED)
    return np.asarray(fluid(*known)), np.asarray(no_self_congestion(*known))


@pytest.mark.parametrize("name", WORLDS)
@settings(max_examples=20)
@given(data=st.data())
def test_no_script_passes_a_bound(name: str, data: st.DataObject) -> None:
    problem, inputs = small(name), few_inputs(name)
    world = problem.world
    seed = data.draw(st.integers(0, 2**31))
    # from one action for all slots to any action in any slot: scripts that serve long do best
    kinds = data.draw(st.integers(1, world.actions))
    rng = np.random.default_rng(seed)
    menu = rng.choice(world.actions, size=kinds, replace=False)
    actions = menu[rng.integers(kinds, size=(4, 40, world.devices))]
    reached = earned(problem, inputs, jnp.asarray(actions, jnp.int32))
    for bound in bounds(name):
        assert np.all(reached <= bound + ROUNDING)


@pytest.mark.parametrize("name", ["one", "four near"])
def test_no_policy_passes_a_bound_and_fluid_is_the_tighter(name: str) -> None:
    problem, inputs = small(name), few_inputs(name)
    above, plain = bounds(name)
    assert np.all(above <= plain + ROUNDING)
    for policy in ["greedy-in-turn", "beam-32" if problem.world.devices == 1 else "clairvoyant-2"]:
        played = baseline(policy, problem).play(jax.random.key(0), problem.params, inputs)
        reached = np.asarray(summarise(played, jnp.float32(MISSED))["reward"])
        assert np.all(reached <= above + ROUNDING), policy


def test_random_greedy_rollout_clairvoyant_bound() -> None:
    scenario = load("aigc-heavy", {"params.horizon_slots": 60})
    problem = build(scenario)
    inputs = evaluation_inputs(scenario, problem, 12)
    names = ["random", "greedy", "rollout-12", "clairvoyant-12", "beam-32"]
    found = measure_bounds(problem, inputs, MISSED, names)
    order = [*names, "fluid", "no congestion", "no congestion, no battery"]
    means = [found[name].mean for name in order]
    assert means == sorted(means), dict(zip(order, means, strict=True))
    assert {found[name].kind for name in names} == {"feasible", "hindsight"}


def test_the_descent_finds_the_value_of_the_linear_program() -> None:
    """Without scarcity and battery it is the dual of a linear program: HiGHS solves the primal.

    What is left are shares of actions, with own work within the capacity that others leave.
    """
    overrides = {
        "params.horizon_slots": 150, "params.battery_j": 1e9, "params.low_charge_pct": 0.0,
        "params.load_limit_gcycles": 400.0, "params.background_utilisation": [0.7, 0.8],
    }  # fmt: skip
    scenario = load("aigc-heavy", overrides)
    problem = build(scenario)
    world, params = problem.world, problem.params
    inputs = evaluation_inputs(scenario, problem, 2)
    relaxed = relax(world, params, inputs)
    dual, prices = descend(world, params, relaxed, jnp.float32(MISSED))
    plain = no_self_congestion(world, params, inputs, MISSED)
    assert float(jnp.max(plain - dual)) > 0.005  # capacity binds, or nothing is tried
    for episode in range(2):
        one = jax.tree.map(lambda leaf, e=episode: leaf[e], relaxed)
        at = jax.tree.map(lambda leaf, e=episode: leaf[e], prices)
        best = _primal(problem, one, at)
        assert best - ROUNDING <= float(dual[episode]) <= best + 1e-3


def _primal(problem: Problem, one: Any, at: Any) -> float:
    """Return the linear program whose dual the prices solve, at the depths of ``at``.

    Shares ``y[t, a]`` of action ``a`` served at the front and ``z[t, a]`` served behind the depth
    (that pay with waiting instead): ``min(price, wait)`` in the dual is a choice of the primal.
    """
    world, params = problem.world, problem.params
    charge = best_charge(world, params, one)
    scarce = scarce_at(params, charge)
    reward = np.asarray(one.plenty - scarce[:, None] * one.scarcity_cost)[..., 0]  # [T, A]
    work = np.asarray(one.work_gcycles)[..., 0]
    slots, actions = reward.shape
    dear = jax.tree.map(lambda leaf: jnp.full_like(leaf, 1e6), at)
    dear = dataclasses.replace(dear, server_depth=at.server_depth, local_depth=at.local_depth)
    waited = np.asarray(charges(world, params, one, dear)[0])[..., 0]
    location, _ = world.decode(jnp.arange(actions)[:, None])
    location = np.asarray(location)[:, 0]
    queues = world.servers + 1
    rows = np.zeros((queues, slots, 2, actions))
    for queue in range(queues):
        rows[queue, :, 0] = work * (location == queue)
    unit = [dataclasses.replace(at, server=jnp.eye(world.servers)[n], local=jnp.zeros(1))
            for n in range(world.servers)]  # fmt: skip
    credits = [dataclasses.replace(at, server=jnp.zeros(world.servers), local=jnp.ones(1)), *unit]
    capacity = [float(charges(world, params, one, each)[1]) for each in credits]
    gain = np.stack([reward, reward - waited], axis=1)
    once = np.kron(np.eye(slots), np.ones(2 * actions))
    solved = linprog(
        -gain.ravel(), A_ub=rows.reshape(queues, -1), b_ub=capacity, A_eq=once,
        b_eq=np.ones(slots), method="highs",
    )  # fmt: skip
    assert solved.status == 0
    return -solved.fun / slots
