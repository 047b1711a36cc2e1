"""Rules against slow references, the bound against every policy, the optimum against all plans."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from edgewright.loops.evaluate import PrivilegedObservation, episode_inputs, full_information
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.caching.baselines import bound, offloading, placement
from edgewright.systems.caching.latency import latency, miss_s, task
from edgewright.systems.caching.optimum import expected_latency_s, optimum
from edgewright.systems.caching.policies import PLACEMENTS, policy
from edgewright.systems.system import evaluate_episodes


def problem_of(name: str, changes: dict[str, Any] | None = None) -> Any:
    return build(load(name, changes or {}))


def known_of(problem: Any, seed: int) -> PrivilegedObservation:
    """Return a moment with half of the services cached, some demand and some backlog."""
    stream, key = problem.test_stream, jax.random.key(seed)
    _, rows = stream.next_rows(stream.init_carry(key), 1)
    x = jax.tree.map(lambda leaf: leaf[0], rows)
    state = problem.world.reset(problem.params, x)
    shape = state.cached.shape
    state = dataclasses.replace(
        state,
        cached=jax.random.bernoulli(key, 0.5, shape).astype(jnp.float32),
        demand=jax.random.exponential(key, shape),
        backlog_gcycles=jax.random.exponential(key, shape[:1]) * 3.0,
    )
    return full_information(problem.params, state, x)


@pytest.mark.parametrize("seed", range(3))
def test_the_knapsack_is_the_best_of_all_sets(seed: int) -> None:
    random = np.random.default_rng(seed)
    value, size = random.uniform(0, 1, 5), random.uniform(1, 5, 5)
    capacity = np.array([6.0, 4.0])
    best = 0.0
    for where in itertools.product([-1, 0, 1], repeat=5):  # server of each service, or none
        used = [sum(size[k] for k in range(5) if where[k] == m) for m in (0, 1)]
        if used[0] <= 6.0 and used[1] <= 4.0:
            best = max(best, sum(value[k] for k in range(5) if where[k] >= 0))
    chosen = placement.knapsack(value, size, capacity)
    assert np.all(chosen @ size <= capacity + 1e-9) and np.all(chosen.sum(axis=0) <= 1)
    np.testing.assert_allclose((chosen @ value).sum(), best)


@pytest.mark.parametrize("spread", [False, True])
def test_popular_caches_save_the_most_latency_of_all_that_fit(spread: bool) -> None:
    problem = problem_of("caching-es2")
    known, params = known_of(problem, 1), problem.params
    rule = placement.Popular.of(10, spread)
    cached = np.asarray(rule.place(jax.random.key(0), known)) > 0
    size, saved = np.asarray(params.service_mib), np.asarray(miss_s(params))
    demand = np.asarray(known.state.demand)
    demand = np.tile(demand.sum(axis=0), (2, 1)) if spread else demand
    free = np.ones(10, bool)
    for server in range(2):
        value = demand[server] * saved * (free if spread else 1.0)
        sets = [np.array(bits) for bits in itertools.product([0, 1], repeat=10)]
        best = max(float(bits @ value) for bits in sets if bits @ size <= 20 * 1024)
        assert cached[server] @ size <= 20 * 1024
        np.testing.assert_allclose(cached[server] @ value, best, rtol=1e-5)
        free &= ~cached[server]


def test_many_services_are_filled_by_value_per_size() -> None:
    rule = placement.Popular.of(20)
    size = np.linspace(1.0, 3.0, 20)
    value = np.random.default_rng(0).uniform(0, 1, 20)
    arrays = (jnp.asarray(a, jnp.float32) for a in (value, size))
    taken = np.asarray(rule._best(*arrays, jnp.float32(10.0)))
    used = 0.0
    for service in np.argsort(-value / size):
        fits = used + size[service] <= 10.0
        assert taken[service] == fits
        used += size[service] * fits


def total_s(problem: Any, known: Any, server: np.ndarray) -> float:
    """Return the summed latency under exact shares."""
    world = dataclasses.replace(problem.world, shares="square_root")
    asked = task(world, problem.params, known.state, known.x)
    result = latency(world, problem.params, known.state, asked, jnp.asarray(server), None)
    return float(jnp.sum(result.total_s))


SMALL = {"world.users": 6, "world.servers": 3, "world.queues": True}


@pytest.mark.parametrize("seed", range(6))
def test_the_search_is_near_the_best_choice_of_servers(seed: int) -> None:
    problem = problem_of("caching-es2", SMALL)
    known, key = known_of(problem, seed), jax.random.key(0)
    rules = {
        name: offloading.Offloading(world=problem.world, association=name, shares="root")  # pyright: ignore[reportArgumentType]
        for name in ("nearest", "hit", "search")
    }
    cost = {
        name: total_s(problem, known, np.asarray(rule.offload(key, known)["server"]))
        for name, rule in rules.items()
    }
    world = dataclasses.replace(problem.world, shares="square_root")
    asked = task(world, problem.params, known.state, known.x)
    choices = jnp.asarray(list(itertools.product(range(3), repeat=6)), jnp.int32)
    totals = jax.vmap(
        lambda server: latency(world, problem.params, known.state, asked, server, None).total_s
    )(choices)
    best = float(jnp.min(jnp.sum(totals, axis=1)))
    assert best - 1e-3 <= cost["search"] <= min(cost["nearest"], cost["hit"]) + 1e-3
    assert cost["search"] <= 1.02 * best


def test_root_weights_give_the_square_root_shares() -> None:
    problem = problem_of("caching-es2")
    known = known_of(problem, 3)
    rule = offloading.Offloading(world=problem.world, association="hit", shares="root")
    action = rule.offload(jax.random.key(0), known)
    asked = task(problem.world, problem.params, known.state, known.x)
    weights = (action["bandwidth"], action["speed"])
    given = (problem.world, problem.params, known.state, asked, action["server"])
    ours = float(jnp.sum(latency(*given, weights).total_s))
    np.testing.assert_allclose(ours, total_s(problem, known, action["server"]), rtol=2e-3)


def test_the_rules_of_replacement_go_by_their_names() -> None:
    problem = problem_of("caching-es2")
    known, key = known_of(problem, 0), jax.random.key(0)
    often = placement.LeastFrequentlyUsed().place(key, known)
    np.testing.assert_array_equal(
        np.argsort(-often, axis=1), np.argsort(-known.state.demand, axis=1)
    )
    age = jnp.arange(20.0).reshape(2, 10).at[0, 0].set(problem.params.horizon_slots)
    state = dataclasses.replace(known.state, last_request=age)
    late = np.asarray(
        placement.LeastRecentlyUsed().place(key, dataclasses.replace(known, state=state))
    )
    assert late[0, 0] == -1.0  # nobody asked for it yet
    assert np.all(np.diff(late[0, 1:]) < 0) and np.all(late[0, 1:] > 0)


BOUNDED = [
    "caching-es2",
    "caching-dynamic",
    "caching-toy",
    "caching-paper-es2",
    "caching-paper-es4",
]
BEST = ["knapsack+search-root", "spread+hit-root", "all+nearest-zero", "all+nearest-root"]


@pytest.mark.parametrize("name", BOUNDED)
def test_no_policy_earns_more_than_the_bound(name: str) -> None:
    problem = problem_of(name, {"params.epochs": 3})
    divided = problem.world.shares == "square_root"
    inputs = episode_inputs(jax.random.key(5), problem.test_stream, 4, problem.horizon, {})
    above = np.asarray(bound.reward_bound(problem.world, problem.params, inputs))
    drifts = name == "caching-dynamic"
    for rule in ("optimum",) if divided else BEST:
        if drifts and rule.startswith("knapsack"):
            continue
        entry = policy(rule, problem)
        assert entry is not None
        result, _ = evaluate_episodes(entry, problem, inputs, 0, -20.0)
        assert np.all(np.asarray(result["reward"]) <= above + 1e-4), rule


def test_the_linear_problem_of_the_bound_is_the_fractional_knapsack() -> None:
    random = np.random.default_rng(0)
    for _ in range(5):
        worth, size = random.uniform(-0.3, 1, 8), random.uniform(1, 5, 8)
        ours = bound._fractional(*(jnp.asarray(a, jnp.float32) for a in (worth, size)), 7.0)
        solved = linprog(-worth, A_ub=size[None], b_ub=[7.0], bounds=(0, 1))
        np.testing.assert_allclose(float(np.asarray(ours) @ worth), -solved.fun, rtol=1e-5)


def test_the_relaxed_problem_of_an_epoch_is_solved() -> None:
    random = np.random.default_rng(1)
    root, cloud = random.uniform(0, 1, (3, 4)), random.uniform(0, 2, (3, 4))
    problem = problem_of("caching-toy")
    size = np.array([2000.0, 4000.0, 6000.0, 3000.0])
    params = dataclasses.replace(problem.params, service_mib=jnp.asarray(size, jnp.float32))
    fetch, band = random.uniform(0, 0.3, 4), random.uniform(0, 1, 3)
    epoch = bound._Epoch(
        band_s=jnp.asarray(band), root=jnp.asarray(root), cloud_s=jnp.asarray(cloud),
        fetch_s=jnp.asarray(fetch),
    )  # fmt: skip
    ours = float(bound._least_latency(problem.world, params, epoch))

    def cost(flat: np.ndarray) -> float:
        y, z = flat[:12].reshape(3, 4), flat[12:]
        return float(np.sum((root * y).sum(1) ** 2) + np.sum(cloud * (1 - y)) + fetch @ z)

    rules = [{"type": "ineq", "fun": lambda f: 10 * 1024.0 - f[12:] @ size}]
    rules += [{"type": "ineq", "fun": lambda f: (f[12:] - f[:12].reshape(3, 4)).ravel()}]
    solved = minimize(cost, np.full(16, 0.3), bounds=[(0, 1)] * 16, constraints=rules)
    exact = solved.fun + band.sum()
    assert ours <= exact + 1e-3
    assert ours >= exact - 0.02 * abs(exact)


def test_the_optimum_earns_what_its_recursion_says_and_no_rule_earns_more() -> None:
    problem = problem_of("caching-toy")
    table = optimum(problem)
    inputs = episode_inputs(jax.random.key(9), problem.test_stream, 400, problem.horizon, {})
    rewards = {}
    for name in ("optimum", "knapsack+search", "spread+search", "none+nearest", "random"):
        entry = policy(name, problem)
        assert entry is not None
        rewards[name] = np.asarray(evaluate_episodes(entry, problem, inputs, 0, -20.0)[0]["reward"])
    mean = {name: values.mean() for name, values in rewards.items()}
    error = rewards["optimum"].std() / 20.0
    assert all(mean["optimum"] >= mean[name] - 2 * error for name in rewards)
    assert mean["optimum"] > mean["spread+search"] + 2 * error

    choices = np.asarray(table.choices)
    cost = np.asarray(expected_latency_s(problem, table.caches, choices))
    size, rate = np.asarray(problem.params.service_mib), 200.0
    caches, before, value = np.asarray(table.caches), 0, 0.0
    for epoch in range(6):  # the expected value of following the table
        after = int(table.after[epoch, before])
        fetched = float(np.sum(caches[after] * (1 - caches[before]) @ size)) / rate
        value -= cost[after] + 0.05 * fetched
        before = after
    np.testing.assert_allclose(mean["optimum"], value / 6, atol=4 * error)
    everything = min(  # all plans that never change after the first epoch, from empty caches
        cost[n] * 6 + 0.05 * float(np.sum(caches[n] @ size)) / rate for n in range(len(caches))
    )
    assert -value <= everything + 1e-4


@pytest.mark.parametrize("name", ["lfu", "all"])
def test_equal_priorities_are_not_settled_by_the_order_of_popularity(name: str) -> None:
    problem = problem_of("caching-es5")
    known = known_of(problem, 0)
    world, params = problem.world, problem.params
    reset = world.reset(params, known.x)
    assert float(jnp.ptp(reset.demand)) == 0.0  # nobody has asked yet
    rule = PLACEMENTS[name](problem)
    wanted = rule.place(jax.random.key(0), dataclasses.replace(known, state=reset))
    cached = np.asarray(world.placed(params, reset.cached, wanted))
    assert np.all(cached @ np.asarray(params.service_mib) <= 20 * 1024)
    assert len({tuple(row) for row in cached}) > 1  # all alike if the first services went first
    assert not np.all(cached[:, 0])


def test_recency_leaves_out_what_nobody_asked_for() -> None:
    problem = problem_of("caching-es2")
    known = known_of(problem, 0)
    age = np.full((2, 10), float(problem.params.horizon_slots))
    age[0, 3], age[0, 1], age[1, 2] = 0.0, 4.0, 2.0
    state = dataclasses.replace(known.state, last_request=jnp.asarray(age))
    rule = placement.LeastRecentlyUsed()
    wanted = np.asarray(rule.place(jax.random.key(0), dataclasses.replace(known, state=state)))
    assert np.argsort(-wanted[0])[:2].tolist() == [3, 1]
    assert (wanted > 0).sum() == 3
