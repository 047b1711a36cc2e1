"""The planner that knows the world: against every decision, and against the rule it starts from."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.planning import imagined
from edgewright.core.errors import InputError
from edgewright.loops.evaluate import PrivilegedObservation, full_information
from edgewright.rules.cem import CEM, answer, no_plan, search
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.caching.baselines.true_model import TrueModelPlanner
from edgewright.systems.caching.policies import policy, policy_names
from edgewright.systems.trainer import draw_inputs


def problem_of(name: str, changes: dict[str, Any] | None = None) -> Any:
    return build(load(name, changes or {}))


def known_of(problem: Any, seed: int, slot: int = 1) -> PrivilegedObservation:
    """Return a slot with half of the services cached and some backlog."""
    stream, key = problem.test_stream, jax.random.key(seed)
    _, rows = stream.next_rows(stream.init_carry(key), 1)
    x = jax.tree.map(lambda leaf: leaf[0], rows)
    state = problem.world.reset(problem.params, x)
    shape = state.cached.shape
    state = dataclasses.replace(
        state,
        cached=jax.random.bernoulli(key, 0.5, shape).astype(jnp.float32),
        backlog_gcycles=jax.random.exponential(key, shape[:1]) * 30.0,
        slot=jnp.int32(slot),
    )
    return full_information(problem.params, state, x)


def planner_of(problem: Any, name: str) -> TrueModelPlanner:
    entry = policy(name, problem)
    assert entry is not None
    return entry.policy.offloading


def earned(problem: Any, known: PrivilegedObservation, action: dict[str, Any]) -> float:
    whole = {"cache": 2.0 * known.state.cached - 1.0, **action}
    outcome = problem.world.step(known.params, known.state, whole, known.x)
    return float(outcome.metrics.lower_reward)


@pytest.mark.parametrize("seed", range(4))
def test_in_one_slot_it_finds_the_best_of_all_choices(seed: int) -> None:
    problem = problem_of("caching-toy")
    known = known_of(problem, seed)
    chosen = planner_of(problem, "spread+cem").offload(jax.random.key(seed), known)
    every = [
        earned(problem, known, {"server": jnp.array(servers)})
        for servers in itertools.product(range(2), repeat=2)
    ]
    assert earned(problem, known, chosen) == pytest.approx(max(every))


@pytest.mark.parametrize("name", ["spread+cem", "spread+cem-root", "spread+cem-equal"])
def test_it_is_never_worse_than_the_rule_that_it_starts_from(name: str) -> None:
    problem = problem_of("caching-es3")
    planner = planner_of(problem, name)
    for seed in range(3):
        known = known_of(problem, seed)
        usual = planner.base.offload(jax.random.key(1), known)
        chosen = planner.offload(jax.random.key(1), known)
        assert earned(problem, known, chosen) >= earned(problem, known, usual) - 1e-6


def test_from_equal_shares_it_finds_better_servers() -> None:
    """The rule's servers are best for other shares, so there is something to find."""
    problem = problem_of("caching-es3")
    planner = planner_of(problem, "spread+cem-equal")
    known = known_of(problem, 0)
    usual = planner.base.offload(jax.random.key(1), known)
    chosen = planner.offload(jax.random.key(1), known)
    assert earned(problem, known, chosen) > earned(problem, known, usual)


def test_looking_ahead_saves_latency_where_queues_carry_work_on() -> None:
    changes = {"evaluation.episodes": 3, "params.epochs": 10}
    changes |= {"params.server_ghz": 20.0, "params.cache_gib": 40.0}  # many hits, much work
    scenario = load("caching-dynamic", changes)
    problem = build(scenario)
    inputs = draw_inputs(scenario.evaluation, problem)

    def reward(horizon: int) -> float:
        entry = policy("spread+cem-root", problem)
        assert entry is not None
        slots = dataclasses.replace(entry.policy.offloading, horizon=horizon)
        entry = dataclasses.replace(
            entry, policy=dataclasses.replace(entry.policy, offloading=slots)
        )
        played = entry.play(jax.random.key(0), problem.params, inputs)
        return float(jnp.mean(played.metrics.reward))

    assert reward(6) > reward(1) + 0.1


@pytest.mark.parametrize("name", ["spread+cem-root", "spread+cem"])
def test_a_horizon_changes_no_decision_where_nothing_is_carried_on(name: str) -> None:
    """With the same candidates, what is imagined of later slots adds the same to all of them."""
    problem = problem_of("caching-es2")
    near = planner_of(problem, name)
    far = dataclasses.replace(near, horizon=20)
    assert near.horizon == 1
    decide = [jax.jit(one.offload) for one in (near, far)]
    for seed in range(3):
        known, key = known_of(problem, seed), jax.random.key(seed)
        ours, theirs = (one(key, known) for one in decide)
        for part in ("server", "bandwidth", "speed"):
            np.testing.assert_array_equal(ours[part], theirs[part])


def test_whole_plans_of_one_and_of_twenty_slots_begin_with_the_best_servers() -> None:
    """Here every slot of a plan is searched, with the world's own physics and sampled inputs."""
    problem = problem_of("caching-toy")
    plans = [jax.jit(functools.partial(first_servers, problem, horizon)) for horizon in (1, 20)]
    for seed in range(5):
        known = known_of(problem, seed)
        every = {
            servers: earned(problem, known, {"server": jnp.array(servers)})
            for servers in itertools.product(range(2), repeat=2)
        }
        best = max(every, key=lambda servers: every[servers])
        firsts = [tuple(plan(jax.random.key(seed), known).tolist()) for plan in plans]
        assert firsts == [best, best]


def first_servers(problem: Any, horizon: int, key: Any, known: Any) -> Any:
    """Return the first servers of a plan of many slots on the true model, from equal numbers."""
    world, params, stream = problem.world, problem.params, problem.test_stream
    future_key, search_key = jax.random.split(key)
    _, rows = stream.next_rows(stream.resume(future_key, known.x), 20)
    rows = jax.tree.map(lambda now, later: jnp.concatenate([now[None], later]), known.x, rows)
    settings = CEM(initial_std=0.7, min_std=0.0, num_candidates=400, num_elites=40, iterations=20)

    def servers_of(numbers: Any) -> Any:
        return jnp.argmax(numbers.reshape(world.users, world.servers), axis=1).astype(jnp.int32)

    def step(key: Any, carry: Any, actions: Any) -> Any:
        states, index = carry
        x = jax.tree.map(lambda leaf: leaf[index], rows)

        def move(state: Any, numbers: Any) -> Any:
            action = {"cache": 2.0 * state.cached - 1.0, "server": servers_of(numbers)}
            outcome = world.step(params, state, action, x)
            # caches stay, and slots follow one another without a step that places services
            return dataclasses.replace(outcome.state, slot=state.slot), outcome.metrics.lower_reward

        states, scores = jax.vmap(move)(states, actions)
        return (states, index + 1), scores

    def begin(count: int) -> Any:
        one = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), known.state)
        return one, jnp.zeros((), jnp.int32)

    def score(key: Any, candidates: Any) -> Any:
        return imagined(key, step, begin, candidates)

    bound = jnp.ones(world.users * world.servers)
    start = no_plan(settings, jnp.zeros((horizon, bound.size)))
    plan = search(search_key, settings, score, start, -bound, bound)
    return servers_of(answer(settings, plan))


def test_slots_after_the_end_of_an_episode_count_for_nothing() -> None:
    problem = problem_of("caching-dynamic")
    planner = planner_of(problem, "spread+cem-root")
    short = dataclasses.replace(planner, horizon=1)
    last = int(problem.params.horizon_slots) - 1
    known, key = known_of(problem, 3, last), jax.random.key(2)
    rows = planner._rows(key, known.x)
    usual = planner._usual(key, known, rows)
    future = jax.tree.map(lambda leaf: leaf[0], (rows, usual))
    count = problem.world.users * problem.world.servers
    candidates = jax.random.normal(key, (5, 1, count))
    np.testing.assert_allclose(
        planner._score(key, known, candidates, future),
        short._score(key, known, candidates, future),
        rtol=1e-6,
    )
    early = known_of(problem, 3, 1)
    assert not np.allclose(
        planner._score(key, early, candidates, future),
        short._score(key, early, candidates, future),
    )


def test_it_is_named_among_the_oracles() -> None:
    problem = problem_of("caching-es2")
    assert "spread+cem-root" in policy_names(problem)
    entry = policy("spread+cem-root", problem)
    assert entry is not None and entry.group == "oracle"
    assert "spread+cem" in policy_names(problem_of("caching-toy"))
    assert planner_of(problem, "lfu+cem").horizon == 1
    assert planner_of(problem_of("caching-dynamic"), "lfu+cem").horizon > 1
    with pytest.raises(InputError, match="unknown rule for the shares 'random'"):
        policy("lfu+cem-random", problem)


def test_it_does_not_look_recorded_requests_up(tmp_path: Path) -> None:
    log = tmp_path / "requests" / "azure_llm_2023_conversation.csv"
    log.parent.mkdir()
    rows = [f"2023-11-16 18:{m:02}:{s:02}.0,{10 + m},5" for m in range(60) for s in range(20)]
    log.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(rows) + "\n")
    problem = build(load("caching-trace", {"world.queues": True}), str(tmp_path))
    assert "spread+cem-root" not in policy_names(problem)
    with pytest.raises(InputError, match="on recorded requests that is looking them up"):
        policy("spread+cem-root", problem)
    assert "spread+cem-root" in policy_names(build(load("caching-trace"), str(tmp_path)))
