"""Laws of the caching world: hand-worked users, an independent loop, shares, capacity, features."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.physics import caching
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.caching.features import inverted, observed
from edgewright.systems.caching.latency import (
    latency,
    served_share,
    spectral_efficiency,
    square_root_share,
    task,
)
from edgewright.systems.caching.optimum import optimum
from edgewright.systems.caching.plain import slot_latency_s
from edgewright.testing import check_world

SCENARIOS = ["caching-es2", "caching-es5"] + [f"caching-paper-es{m}" for m in (2, 3, 4, 5)]


def problem_of(name: str, changes: dict[str, Any] | None = None) -> Any:
    return build(load(name, changes or {}))


def first_row(problem: Any, seed: int = 0) -> Any:
    stream = problem.test_stream
    _, rows = stream.next_rows(stream.init_carry(jax.random.key(seed)), 1)
    return jax.tree.map(lambda leaf: leaf[0], rows)


def plain(params: Any) -> dict[str, Any]:
    return {f.name: np.asarray(getattr(params, f.name)) for f in dataclasses.fields(params)}


@pytest.mark.parametrize("name", ["caching-toy", "caching-dynamic", "caching-paper-es2"])
def test_the_world_keeps_its_laws(name: str) -> None:
    problem = problem_of(name, {"params.epochs": 2})
    check_world(problem.world, problem.params, steps=14)


def test_the_latency_of_one_user_is_the_one_worked_by_hand() -> None:
    # Server 1 stands at (100, 100), so the user at (100, 200) is 100 m away.
    changes = {"world.users": 2, "params.cells": [1, 2]}
    problem = problem_of("caching-es2", changes)
    world, params = problem.world, problem.params
    x = dataclasses.replace(
        first_row(problem),
        service=jnp.array([3, 0]),
        x_m=jnp.array([100.0, 300.0]),
        y_m=jnp.array([200.0, 200.0]),
        fading=jnp.ones((2, 2)),
    )
    # loss 128.1 + 37.6 lg 0.1 = 90.5 dB; SNR = 20 + 114 - 90.5 = 43.5 dB; log2(1 + 22387) = 14.4504
    np.testing.assert_allclose(spectral_efficiency(world, params, x)[0, 0], 14.4504, rtol=1e-5)
    state = world.reset(params, x)
    cached = jnp.zeros((2, 10)).at[0, 3].set(1.0)
    state = dataclasses.replace(state, cached=cached)
    weights = (jnp.array([1.0, 1.0]), jnp.array([1.0, 1.0]))
    result = latency(
        world, params, state, task(world, params, state, x), jnp.array([0, 1]), weights
    )
    # alone at their servers: 16.384 Mbit / (200 MHz x 14.4504) + 0.98304 / 20
    np.testing.assert_allclose(result.total_s[0], 16.384 / 2890.08 + 0.98304 / 20, rtol=1e-5)
    # a miss of service 1: 4.096 Mbit up, 4.096 / 4.194304 to the cloud, 0.18432 / 4 there, 0.1
    miss = 4.096 / 2890.08 + 4.096 / 4.194304 + 0.18432 / 4 + 0.1
    np.testing.assert_allclose(result.total_s[1], miss, rtol=1e-5)
    np.testing.assert_array_equal(result.hit, [1.0, 0.0])


@pytest.mark.parametrize("name", SCENARIOS)
def test_latencies_are_those_of_the_loop_over_users(name: str) -> None:
    problem = problem_of(name)
    world, params = problem.world, problem.params
    for seed in range(3):
        x, key = first_row(problem, seed), jax.random.key(seed)
        action = world.action_space(params).sample(key)
        cached = jax.random.bernoulli(key, 0.5, (world.servers, world.services)).astype(jnp.float32)
        state = dataclasses.replace(world.reset(params, x), cached=cached)
        weights = (action["bandwidth"], action["speed"])
        asked = task(world, params, state, x)
        ours = latency(world, params, state, asked, action["server"], weights)
        given = {name: np.asarray(value) for name, value in action.items()}
        rows = {f.name: np.asarray(getattr(x, f.name)) for f in dataclasses.fields(x)}
        total, hit = slot_latency_s(
            plain(params), dataclasses.asdict(world), np.asarray(cached), given, rows
        )
        np.testing.assert_array_equal(ours.hit, hit)
        np.testing.assert_allclose(ours.total_s, total, rtol=2e-4)


@pytest.mark.parametrize("seed", range(4))
def test_shares_of_a_server_sum_to_one(seed: int) -> None:
    problem = problem_of("caching-es3")
    world, key = problem.world, jax.random.key(seed)
    action = world.action_space(problem.params).sample(key)
    weight = action["speed"] * (seed > 0)  # all zero once
    chosen = world.chosen(action["server"])
    for share in (
        served_share(world, problem.params, weight, chosen),
        square_root_share(action["bandwidth"] + 0.01, chosen),
    ):
        sums = np.asarray(share @ chosen)[np.asarray(chosen.sum(axis=0)) > 0]
        np.testing.assert_allclose(sums, 1.0, atol=1e-5)
        assert np.all(np.asarray(share) > 0)


def test_square_root_shares_are_the_best_among_many() -> None:
    need = jnp.array([1.0, 4.0, 0.25, 9.0])
    chosen = jnp.ones((4, 1))
    best = float(jnp.sum(need / square_root_share(need, chosen)))
    np.testing.assert_allclose(best, float(jnp.sum(jnp.sqrt(need))) ** 2, rtol=1e-6)
    others = jax.random.dirichlet(jax.random.key(0), jnp.ones(4), (1000,))
    assert float(jnp.min(jnp.sum(need / others, axis=1))) >= best * (1 - 1e-6)


def test_the_published_fallback_gives_away_what_nobody_pays_for() -> None:
    problem = problem_of("caching-paper-es2")
    world, chosen = problem.world, problem.world.chosen(jnp.zeros(30, jnp.int32))
    nothing = served_share(world, problem.params, jnp.full(30, -0.5), chosen)
    np.testing.assert_allclose(nothing, 0.2)  # thirty users get six servers
    tiny = served_share(world, problem.params, jnp.ones(30).at[0].set(0.001), chosen)
    np.testing.assert_allclose(tiny[0], 0.2)  # 0.001 / 29.001 rounds to zero
    np.testing.assert_allclose(tiny[1:], 0.034)


@pytest.mark.parametrize("seed", range(8))
def test_caches_never_hold_more_than_fits_and_keep_the_highest_priority(seed: int) -> None:
    problem = problem_of("caching-es2")
    world, params = problem.world, problem.params
    priority = jax.random.uniform(jax.random.key(seed), (2, 10), minval=-1.0)
    cached = np.asarray(world.placed(params, jnp.zeros((2, 10)), priority))
    size = np.asarray(params.service_mib)
    assert np.all(cached @ size <= 20 * 1024)
    for server in range(2):  # slow reference
        used, wanted = 0.0, []
        for service in sorted(range(10), key=lambda k: -float(priority[server, k])):
            if priority[server, service] > 0 and used + size[service] <= 20 * 1024:
                used += size[service]
                wanted.append(service)
        np.testing.assert_array_equal(np.flatnonzero(cached[server]), sorted(wanted))


@pytest.mark.parametrize("services", [7, 80])
def test_of_equal_priorities_the_first_counts_more(services: int) -> None:
    random = np.random.default_rng(services)
    priority = random.integers(-2, 4, services).astype(np.float32)
    size = random.integers(1, 9, services).astype(np.float32)
    capacity = float(size.sum()) / 3
    taken, used = np.zeros(services), 0.0
    for service in sorted(range(services), key=lambda k: -priority[k]):  # a stable sort
        if priority[service] > 0 and used + size[service] <= capacity:
            taken[service], used = 1.0, used + size[service]
    ours = caching.fit(jnp.asarray(priority), jnp.asarray(size), jnp.float32(capacity))
    np.testing.assert_array_equal(ours, taken)


def published_rule(
    old: np.ndarray, wanted: np.ndarray, size: np.ndarray, limit: float
) -> np.ndarray:
    """Return the caches after the published loop over servers, step by step."""
    bits = old.copy()
    for server in range(len(old)):
        if bits[server] @ size > limit:
            continue
        bits = wanted.copy()
    return bits


@pytest.mark.parametrize("gib", [20.0, 60.0, 200.0])
def test_the_published_rule_of_capacity_is_that_of_its_loop(gib: float) -> None:
    problem = problem_of("caching-paper-es3", {"params.cache_gib": gib})
    world, params, key = problem.world, problem.params, jax.random.key(0)
    size, limit = np.asarray(params.service_mib), 0.8 * gib * 1024
    for one in jax.random.split(key, 20):
        pair = jax.random.uniform(one, (2, 3, 10), minval=-1.0)
        old, wanted = np.asarray(pair[0] > 0, float), np.asarray(pair[1] > 0, float)
        ours = world.placed(params, jnp.asarray(old, jnp.float32), pair[1])
        np.testing.assert_array_equal(ours, published_rule(old, wanted, size, limit))


def test_filling_an_empty_cache_takes_ten_seconds_for_each_number_of_a_service() -> None:
    params = problem_of("caching-paper-es2").params
    none, every = jnp.zeros((2, 10)), jnp.ones((2, 10))
    one = jnp.zeros((2, 10)).at[0, 6].set(1.0)
    rest = (params.service_mib, params.backhaul_mib_s)
    np.testing.assert_allclose(caching.fetch_s(none, one, *rest), 70.0)
    np.testing.assert_allclose(caching.fetch_s(none, every, *rest), 2 * 550.0)
    np.testing.assert_allclose(caching.fetch_s(every, one, *rest), 0.0)


def test_the_published_pmf_and_features() -> None:
    law = np.asarray(problem_of("caching-paper-es2").train_stream.fields["service"].probabilities)
    np.testing.assert_allclose(law.sum(), 1.0, atol=1e-6)
    known = [0.2768, 0.0366, 0.0402, 0.0448, 0.0506, 0.0586, 0.0700, 0.0882, 0.1219, 0.2123]
    np.testing.assert_allclose(law, known, atol=5e-5)
    np.testing.assert_allclose(inverted(jnp.array([0.0, 2.0, 4.0])), [4 / 3.9, 2 / 3.9, 0.0])
    np.testing.assert_allclose(inverted(jnp.array([1.0, 2.0, 5.0])), [1.0, 0.75, 0.0])
    np.testing.assert_array_equal(inverted(jnp.full(3, 2.0)), 0.0)


@pytest.mark.parametrize(
    ("name", "upper", "lower"), [("caching-paper-es2", 52, 116), ("caching-paper-es5", 115, 185)]
)
def test_observations_have_the_published_sizes(name: str, upper: int, lower: int) -> None:
    problem = problem_of(name)
    scales = problem.world.time_scales
    names = problem.world.observation_space(problem.params).names
    assert len(scales.columns(names, scales.upper)) == upper
    assert len(scales.columns(names, scales.lower)) == lower


@pytest.mark.parametrize("name", ["caching-es2", "caching-paper-es3"])
def test_the_table_of_features_describes_what_is_observed(name: str) -> None:
    problem = problem_of(name)
    world, params, x = problem.world, problem.params, first_row(problem)
    state = world.reset(params, x)
    space, row = world.observation_space(params), observed(world, params, state, x)
    assert row.shape == space.shape == (len(space.names),)
    value = dict(zip(space.names, np.asarray(row), strict=True))
    assert value["placing"] == 1.0
    np.testing.assert_allclose(
        value["input_user_7_mbit"], params.input_mbit[int(x.service[6])], rtol=1e-6
    )


def test_an_epoch_places_once_and_serves_five_times() -> None:
    problem = problem_of("caching-es2")
    world, params, x = problem.world, problem.params, first_row(problem)
    action = world.action_space(params).sample(jax.random.key(0))
    state = world.reset(params, x)
    served, costs, placed = [], [], []
    for step in range(12):
        turned = {**action, "cache": -action["cache"] if step % 2 else action["cache"]}
        outcome = world.step(params, state, turned, x)
        placed.append(bool(np.any(np.asarray(outcome.state.cached != state.cached))))
        served.append(float(outcome.metrics.served[0]))
        costs.append(float(outcome.metrics.switch_cost_s[0]))
        state = outcome.state
    assert served == ([0.0] + [1.0] * 5) * 2
    assert placed == [True] + [False] * 11  # the same wish again changes nothing
    assert costs[1] > 0 and costs[1:6] == [costs[1]] * 5 and costs[7:] == [0.0] * 5


def test_the_reward_of_an_episode_is_minus_latency_and_weighted_fetching() -> None:
    problem = problem_of("caching-es2", {"params.epochs": 1})
    world, params, x = problem.world, problem.params, first_row(problem)
    action, state = world.action_space(params).sample(jax.random.key(1)), world.reset(params, x)
    rewards, latencies, upper, costs = [], [], 0.0, []
    for _ in range(6):
        outcome = world.step(params, state, action, x)
        rewards.append(float(outcome.reward))
        latencies.append(float(jnp.mean(outcome.metrics.latency_s)))
        upper += float(outcome.metrics.upper_reward)
        costs.append(float(outcome.metrics.switch_cost_s[0]))
        state = outcome.state
    wanted = -np.mean(latencies[1:]) - 0.001 * costs[1]
    np.testing.assert_allclose(np.mean(rewards), wanted, rtol=1e-5)
    np.testing.assert_allclose(upper, wanted, rtol=1e-5)
    assert bool(outcome.truncated) and not bool(outcome.terminated)


def test_queues_carry_work_over_and_drain() -> None:
    changes = {"params.server_ghz": 5.0, "params.epochs": 1}
    problem = problem_of("caching-dynamic", changes)
    world, params, x = problem.world, problem.params, first_row(problem)
    action = {
        "cache": jnp.ones((3, 10)),
        "server": jnp.zeros(30, jnp.int32),
        "bandwidth": jnp.ones(30),
        "speed": jnp.ones(30),
    }
    state = world.step(params, world.reset(params, x), action, x).state
    before = 0.0
    for _ in range(3):
        asked = task(world, params, state, x)
        hits = np.asarray(asked.available[:, 0])
        work = float(np.sum(hits * np.asarray(asked.work_gcycles)))
        outcome = world.step(params, state, action, x)
        np.testing.assert_allclose(outcome.metrics.wait_s, hits * before / 5.0, rtol=1e-5)
        before = max(0.0, before + work - 5.0)
        np.testing.assert_allclose(outcome.state.backlog_gcycles, [before, 0.0, 0.0], rtol=1e-5)
        state = outcome.state
    assert before > 0


def test_numbering_users_otherwise_changes_nothing_but_their_order() -> None:
    problem = problem_of("caching-es2")
    world, params, x = problem.world, problem.params, first_row(problem)
    order = jax.random.permutation(jax.random.key(2), 30)
    state = dataclasses.replace(world.reset(params, x), cached=jnp.ones((2, 10)))
    action = world.action_space(params).sample(jax.random.key(3))
    turned = {k: v if k == "cache" else v[order] for k, v in action.items()}
    other = jax.tree.map(lambda leaf: leaf[order], x)
    weights = [(a["bandwidth"], a["speed"]) for a in (action, turned)]
    ours = latency(
        world, params, state, task(world, params, state, x), action["server"], weights[0]
    )
    theirs = latency(
        world, params, state, task(world, params, state, other), turned["server"], weights[1]
    )
    np.testing.assert_allclose(ours.total_s[order], theirs.total_s, rtol=1e-5)


@pytest.mark.parametrize(
    "changes, key, text",
    [
        ({"params.cache_gib": 1.0}, "params.cache_gib", "less than the smallest service"),
        ({"world.servers": 4}, "world.users", "30 users cannot be divided evenly among 4 cells"),
        ({"world.servers": 0}, "world.servers", "greater than or equal to 1"),
        ({"world.services": 9}, "params.service_mib", "has 10 values, but world.services is 9"),
        (
            {"streams.service": {"kind": "categorical", "probabilities": [0.5] * 10}},
            "streams.service.probabilities",
            "sum to 5, not 1",
        ),
        ({"streams.service": {"kind": "constant", "value": 1.0}}, "streams.service", "cannot draw"),
        ({"params.cells": [1] * 29}, "params.cells", "has 29 values"),
        ({"params.cells": [3] * 30}, "params.cells", "3 is above world.servers = 2"),
        (
            {"streams.x_m": {"kind": "reflected_walk", "low": 0, "high": 600, "step_std": 20}},
            "streams.x_m.high",
            "as far as 600 m, but the row of cells ends at 400 m",
        ),
    ],
)
def test_wrong_scenarios_are_refused_by_key_and_value(
    changes: dict[str, Any], key: str, text: str
) -> None:
    with pytest.raises(Exception, match=text) as caught:
        load("caching-es2", changes)
    assert key in str(caught.value)


def test_published_leftovers_count_every_request_and_may_be_far_below_zero() -> None:
    problem = problem_of("caching-paper-es2")
    world, params, x = problem.world, problem.params, first_row(problem)
    state = dataclasses.replace(world.reset(params, x), slot=jnp.int32(1))
    action = {
        "cache": -jnp.ones((2, 10)),
        "server": jnp.zeros(world.users, jnp.int32),
        "bandwidth": jnp.full(world.users, 0.1),
        "speed": jnp.full(world.users, 0.1),
    }
    after = world.step(params, state, action, x).state
    service = np.asarray(x.service)
    work, size = np.asarray(params.work_gcycles)[service], np.asarray(params.input_mbit)[service]
    ghz, mhz = np.broadcast_to(params.server_ghz, 2), np.broadcast_to(params.bandwidth_mhz, 2)
    np.testing.assert_allclose(after.leftover_ghz, [ghz[0] - work.sum(), ghz[1]], rtol=1e-5)
    np.testing.assert_allclose(after.leftover_mhz, [mhz[0] - size.sum(), mhz[1]], rtol=1e-5)


def test_a_world_too_large_for_the_optimum_says_so_whatever_its_size() -> None:
    sizes = {"world.shares": "square_root", "world.users": 1000, "params.epochs": 1}
    with pytest.raises(InputError, match=r"some 10\^1307 combinations are more than"):
        optimum(problem_of("caching-es2", sizes))
