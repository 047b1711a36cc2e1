"""Greedy, the heuristics, the rules and the rollout planner, against loops and hand cases."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.records import record
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import AigcInputs, AigcState, AigcWorld
from edgewright.systems.aigc.baselines import AigcHeuristic, Greedy, Random, Rollout, Rule
from edgewright.systems.aigc.baselines.greedy import immediate_rewards

Build = Callable[..., Any]
KEY = jax.random.key(0)
CASES = 240
QUICK = {"xla_backend_optimization_level": 0}  # compiling takes longer than running here


@functools.partial(jax.jit, compiler_options=QUICK)
def _act(policy: Any, key: Any, insight: PrivilegedObservation) -> Any:
    return policy.act(key, (), insight)


def decide(policy: Any, params: Any, state: Any, x: Any, key: Any = KEY) -> np.ndarray:
    insight = PrivilegedObservation(params=params, state=state, x=x)
    return np.asarray(_act(policy, key, insight)[1].action)


def situations(seed: int) -> tuple[AigcState, AigcInputs]:
    """Return ``[CASES, ...]`` random situations; many nearly empty, many nearly full."""
    rng = np.random.default_rng(seed)
    nearly = rng.random(CASES) < 0.3
    charge = np.where(nearly, rng.uniform(10.0, 10.4, CASES), rng.uniform(12, 100, CASES))
    crowded = rng.random((CASES, 2)) < 0.5
    server = np.where(crowded, rng.uniform(142, 160, (CASES, 2)), rng.uniform(0, 80, (CASES, 2)))
    state = AigcState(
        charge_pct=jnp.asarray(charge[:, None], jnp.float32),
        local_backlog_gcycles=jnp.asarray(rng.uniform(0, 12, (CASES, 1)), jnp.float32),
        server_backlog_gcycles=jnp.asarray(server, jnp.float32),
        local_idle_slots=jnp.asarray(rng.integers(0, 4, (CASES, 1)), jnp.float32),
        server_idle_slots=jnp.asarray(rng.integers(0, 4, (CASES, 2)), jnp.float32),
        slot=jnp.asarray(rng.integers(0, 400, CASES), jnp.int32),
    )
    one = (CASES, 1)
    x = AigcInputs(
        input_mb=jnp.asarray(rng.uniform(10, 25, one), jnp.float32),
        work_gcycles=jnp.asarray(rng.uniform(3, 8, one), jnp.float32),
        mode=jnp.asarray(rng.integers(0, 3, one), jnp.int32),
        bandwidth_mbps=jnp.asarray(rng.uniform(50, 150, one), jnp.float32),
        background_gcps=jnp.asarray(rng.uniform(0, 30, (CASES, 2)), jnp.float32),
        initial_charge_pct=jnp.ones(one),
        gap_s=jnp.full(CASES, 0.5),
    )
    return state, x


def rewards_by_stepping(world: AigcWorld, params: Any, state: Any, x: Any) -> np.ndarray:
    """Return the reward ``[CASES, A]`` of every action, each actually taken in the world."""
    step = jax.jit(
        jax.vmap(lambda s, a, one: world.step(params, s, a, one).reward[0]), compiler_options=QUICK
    )
    columns = [step(state, jnp.full((CASES, 1), a), x) for a in range(world.actions)]
    return np.stack(columns, axis=-1)


WORLDS = [
    {},
    {"overflow": "reject"},
    {"reading": "paper"},
    {"quality_action": False, "overflow": "reject"},
]


@pytest.mark.parametrize("switches", WORLDS, ids=str)
def test_greedy_takes_the_best_reward_of_the_step(
    switches: dict[str, Any], aigc_params: Build
) -> None:
    """By exhaustion, also where an action empties the battery or overloads a server."""
    world, params = AigcWorld(**switches), aigc_params(idle_w=2.0, battery_j=5e3)
    state, x = situations(1)
    stepped = rewards_by_stepping(world, params, state, x)
    told = jax.jit(jax.vmap(lambda s, one: immediate_rewards(world, params, s, one)))(state, x)
    np.testing.assert_allclose(told[..., 0], stepped, rtol=1e-4, atol=1e-4)
    choose = jax.vmap(lambda s, one: Greedy(world=world).act(KEY, (), PrivilegedObservation(
        params=params, state=s, x=one))[1].action)  # fmt: skip
    chosen = np.asarray(jax.jit(choose)(state, x))[:, 0]
    taken = stepped[np.arange(CASES), chosen]
    np.testing.assert_allclose(taken, stepped.max(axis=1), rtol=1e-4, atol=1e-4)
    # the cases really contain endings that greedy walks round, and some that it cannot
    penalised = stepped < -15
    assert penalised.any()
    assert (penalised.any(axis=1) & (taken > -15)).any()
    if world.overflow == "reject":
        assert (stepped == -1.0).any()


def test_greedy_over_the_location_only(aigc_params: Build) -> None:
    world, params = AigcWorld(), aigc_params()
    state, x = situations(2)
    stepped = rewards_by_stepping(world, params, state, x)
    for level in range(3):
        policy = Greedy(world=world, fixed_level=level)

        def act(s, one, p=policy):
            told = PrivilegedObservation(params=params, state=s, x=one)
            return p.act(KEY, (), told)[1].action[0]

        chosen = np.asarray(jax.jit(jax.vmap(act))(state, x))
        assert np.all(chosen % 3 == level)
        assert len(set(chosen)) == 3
        best = stepped[:, level::3].max(axis=1)
        np.testing.assert_allclose(stepped[np.arange(CASES), chosen], best, rtol=1e-4, atol=1e-4)


def test_nominal_greedy_ignores_queues(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world, params = AigcWorld(), aigc_params()
    moved = set()
    for mode in range(3):
        x = aigc_inputs(mode=mode)
        empty = decide(Greedy(world=world), params, aigc_state(), x)
        for server in ([0.0, 0.0], [120.0, 0.0], [120.0, 140.0]):
            state = aigc_state(local=30.0, server=server)
            assert decide(Greedy(world=world, nominal=True), params, state, x) == empty
            moved.add(int(decide(Greedy(world=world), params, state, x)[0] != empty[0]))
    assert moved == {0, 1}  # the real greedy does change its mind with the queues


def test_rules_by_hand(aigc_params: Build, aigc_state: Build, aigc_inputs: Build) -> None:
    world = AigcWorld(devices=2, servers=3)
    params, x = aigc_params(server_ghz=[16.0, 8.0, 4.0]), aigc_inputs(2, 3)
    # waits: 32 / 16 = 2 s, 8 / 8 = 1 s, 6 / 4 = 1.5 s: the second server, although 6 < 8
    state = aigc_state(2, 3, server=[32.0, 8.0, 6.0])
    for level in range(3):
        local, shortest = (
            decide(Rule(world=world, location=place, level=level), params, state, x)
            for place in ("local", "shortest")
        )
        np.testing.assert_array_equal(local, [level, level])
        np.testing.assert_array_equal(shortest, [2 * 3 + level] * 2)


def test_random_is_uniform_and_keyed(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world = AigcWorld(devices=2)
    insight = PrivilegedObservation(params=aigc_params(), state=aigc_state(2), x=aigc_inputs(2))
    act = jax.jit(jax.vmap(lambda key: Random(world=world).act(key, (), insight)[1].action))
    drawn = np.asarray(act(jax.random.split(KEY, 2000)))
    assert drawn.shape == (2000, 2)
    counts = np.bincount(drawn.ravel(), minlength=9)
    # 4000 / 9 = 444 each, deviation 20
    assert counts.sum() == 4000
    assert abs(counts - 444).max() < 100
    np.testing.assert_array_equal(drawn, act(jax.random.split(KEY, 2000)))


# ------------------------------------------------------------------ the paper's heuristic


@pytest.mark.parametrize("fair", [False, True])
@pytest.mark.parametrize(("charge", "levels"), [(80.0, (0, 1, 2)), (29.0, (0, 0, 1))])
def test_the_mode_sets_the_quality(
    fair: bool, charge: float, levels: tuple[int, ...],
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build,
) -> None:  # fmt: skip
    policy = AigcHeuristic(world=AigcWorld(), fair=fair)
    state = aigc_state(charge=charge)
    made = [int(decide(policy, aigc_params(), state, aigc_inputs(mode=m))[0]) % 3 for m in range(3)]
    # only the fair one saves below 30 %
    assert tuple(made) == (levels if fair else (0, 1, 2))


def test_the_literal_heuristic_ignores_backlog(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    """With empty queues: best quality on the faster server 1. It stays there at any backlog."""
    policy = AigcHeuristic(world=AigcWorld())
    params, x = aigc_params(server_ghz=[16.0, 8.0]), aigc_inputs(mode=2)
    # best (0.7, 0.15, 0.15): local 0.7 - 0.15 x 0.55 - 0.15 x 1.1 = 0.4525
    # server 1: E = 24.865: 0.7 - 0.15 x 0.21875 - 0.15 x 0.621625 = 0.5739; server 2 later
    for server in ([0.0, 0.0], [140.0, 0.0]):
        assert decide(policy, params, aigc_state(server=server), x) == [5]


def test_the_fair_heuristic_goes_to_the_least_loaded_server(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    policy = AigcHeuristic(world=AigcWorld(), fair=True)
    params, x = aigc_params(server_ghz=[16.0, 8.0]), aigc_inputs(mode=2)
    # waits 0 / 16 and 0 / 8: the first; 80 / 16 = 5 s against 16 / 8 = 2 s: the second
    assert decide(policy, params, aigc_state(), x) == [5]
    assert decide(policy, params, aigc_state(server=[80.0, 16.0]), x) == [8]
    # 100 / 16 = 6.25 s and 120 / 8 = 15 s of wait, T = 8.4375: 0.7 - 0.1266 - 0.0932 = 0.480 at
    # server 1 against 0.4525 on the device; at 150 / 16 = 9.375 s, T = 11.5625: 0.4333: stay
    assert decide(policy, params, aigc_state(server=[100.0, 120.0]), x) == [5]
    assert decide(policy, params, aigc_state(server=[149.0, 150.0]), x) == [2]
    # a full device queue: 40 / 2 = 20 s of wait, 0.7 - 0.15 x 2.55 - 0.165 = 0.1525: leave
    assert decide(policy, params, aigc_state(server=[149.0, 150.0], local=40.0), x) == [5]


def test_heuristic_without_a_choice_of_quality(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world = AigcWorld(quality_action=False)
    policy = AigcHeuristic(world=world, fair=True)
    state = aigc_state(server=[90.0, 20.0])
    for mode in range(3):
        chosen = decide(policy, aigc_params(), state, aigc_inputs(mode=mode))
        assert chosen[0] in (0, 2)


# ------------------------------------------------------------------ the planner


@record
class Standstill:
    """A model of the future that repeats the present, with other tasks if told so."""

    work_gcycles: Any = None

    def init_carry(self, key: Any) -> Any:
        raise AssertionError("a planner continues the present; it does not start afresh")

    def resume(self, key: Any, x: Any) -> Any:
        return x

    def next_rows(self, carry: Any, length: int) -> Any:
        rows = jax.tree.map(lambda a: jnp.broadcast_to(a, (length, *a.shape)), carry)
        if self.work_gcycles is not None:
            work = jnp.full_like(rows.work_gcycles, self.work_gcycles)
            rows = dataclasses.replace(rows, work_gcycles=work)
        return carry, rows


def plan_by_hand(world: AigcWorld, params: Any, state: Any, x: Any, horizon: int) -> np.ndarray:
    """Return the value of every action, with the future standing still: a plain loop."""
    step = jax.jit(world.step, compiler_options=QUICK)
    values = []
    for action in range(world.actions):
        out = step(params, state, jnp.array([action]), x)
        total, ended, now = float(out.reward[0]), bool(out.terminated), out.state
        for _ in range(horizon - 1):
            if ended:
                break
            options = [step(params, now, jnp.array([a]), x) for a in range(world.actions)]
            out = max(options, key=lambda o: float(o.reward[0]))
            total, ended, now = total + float(out.reward[0]), bool(out.terminated), out.state
        values.append(total)
    return np.array(values)


@pytest.mark.parametrize(
    ("situation", "terminal"),
    [
        ({"server": [20.0, 60.0]}, -20.0),
        ({"server": [120.0, 140.0], "local": 4.0}, -20.0),
        ({"charge": 10.35, "server": [150.0, 150.0]}, -20.0),  # the battery ends within the plan
        ({"local": 80.0, "server": [159.0, 159.0]}, 0.0),  # an overload does, and nothing follows
    ],
    ids=["calm", "crowded", "nearly empty", "overload"],
)
def test_rollout_values_an_action_by_what_greedy_earns_after_it(
    situation: dict[str, Any], terminal: float,
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build,
) -> None:  # fmt: skip
    world, params = AigcWorld(), aigc_params(terminal_reward=terminal)
    state = aigc_state(**situation)
    x = aigc_inputs(mode=2, background_gcps=[9.0, 12.0], bandwidth_mbps=80.0)
    values = plan_by_hand(world, params, state, x, horizon=5)
    planner = Rollout(world=world, model=Standstill(), horizon=5, futures=2)
    chosen = decide(planner, params, state, x)
    assert values[chosen[0]] == pytest.approx(values.max(), abs=1e-4)


def test_rollout_sees_further_than_greedy(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    """At least one of many situations makes the planner give up reward now for more later."""
    world, params = AigcWorld(), aigc_params()
    planner = Rollout(world=world, model=Standstill(), horizon=8, futures=1)
    differs = 0
    for server in np.linspace(0, 120, 9):
        state, x = aigc_state(server=[server, server]), aigc_inputs(mode=2, gap_s=0.25)
        plan, greedy = (decide(p, params, state, x) for p in (planner, Greedy(world=world)))
        differs += int(plan[0] != greedy[0])
    assert 0 < differs < 9


def test_rollout_of_one_slot_is_greedy(aigc_params: Build) -> None:
    world, params = AigcWorld(), aigc_params()
    state, x = situations(3)
    planner = Rollout(world=world, model=world.inputs(params), horizon=1, futures=2)

    def both(s: Any, one: Any) -> Any:
        insight = PrivilegedObservation(params=params, state=s, x=one)
        return (planner.act(KEY, (), insight)[1].action, Greedy(world=world).act(
            KEY, (), insight)[1].action)  # fmt: skip

    planned, greedy = jax.jit(jax.vmap(both))(state, x)
    stepped = rewards_by_stepping(world, params, state, x)
    rows = np.arange(CASES)
    np.testing.assert_allclose(
        stepped[rows, np.asarray(planned)[:, 0]], stepped[rows, np.asarray(greedy)[:, 0]], atol=1e-4
    )
    assert np.mean(np.asarray(planned) == np.asarray(greedy)) > 0.99  # ties apart


def test_imagined_futures_continue_the_present_bandwidth(
    aigc_params: Build, aigc_inputs: Build
) -> None:
    """What the planner imagines starts within a few steps of 8 Mbit/s of what it sees."""
    stream = AigcWorld().inputs(aigc_params())
    imagine = jax.jit(
        jax.vmap(lambda key, x: stream.next_rows(stream.resume(key, x), 4)[1], (0, None))
    )
    for now in (60.0, 100.0, 140.0):
        rows = imagine(jax.random.split(KEY, 200), aigc_inputs(bandwidth_mbps=now))
        first = np.asarray(rows.bandwidth_mbps)[:, 0, 0]
        assert abs(first.mean() - now) < 2.5  # 8 / sqrt(200) = 0.6, and a little folding
        assert 6.0 < first.std() < 10.0


def test_the_planner_uses_its_model(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    """Another future, another plan: the model is what decides."""
    world, params = AigcWorld(), aigc_params()
    plans = {}
    for future in (0.01, 8.0):
        planner = Rollout(world=world, model=Standstill(work_gcycles=future), horizon=12, futures=1)
        plans[future] = [
            int(decide(planner, params, aigc_state(server=s), aigc_inputs(mode=2, gap_s=g))[0])
            for s in (0.0, 40.0, 80.0)
            for g in (0.1, 0.25, 0.5)
        ]
    # small tasks do not queue behind a large one: plan greedily; large ones do: hold back
    greedy = [
        int(decide(Greedy(world=world), params, aigc_state(server=s), aigc_inputs(mode=2))[0])
        for s in (0.0, 40.0, 80.0)
        for _ in range(3)
    ]
    assert plans[0.01] == greedy
    assert plans[8.0] != greedy


def test_same_key_same_plan(aigc_params: Build, aigc_state: Build, aigc_inputs: Build) -> None:
    world, params = AigcWorld(devices=2), aigc_params()
    planner = Rollout(world=world, model=world.inputs(params), horizon=6, futures=2)
    state = aigc_state(2, server=[60.0, 70.0], local=3.0)
    plans = [
        [
            tuple(decide(planner, params, state, aigc_inputs(2, mode=[1, 2], bandwidth_mbps=b), k))
            for b in (60.0, 90.0, 120.0)
            for k in jax.random.split(jax.random.key(seed), 4)
        ]
        for seed in (0, 0, 1)
    ]
    assert plans[0] == plans[1]
    assert all(0 <= a < 9 for plan in plans for pair in plan for a in pair)
