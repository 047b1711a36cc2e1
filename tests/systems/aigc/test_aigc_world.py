"""Laws of the AIGC world: conservation, endings, sharing, symmetry, monotony, compilation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.core.records import Outcome
from edgewright.rules.scaling import InputScaler
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcState, AigcWorld, weights

Build = Callable[..., Any]
STEPS = 60


@jax.jit
def first_of(rows: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], rows)


def rollout(world: AigcWorld, params: AigcParams, actions: Any, rows: AigcInputs) -> Outcome:
    """Play on through every ending; states and metrics are stacked over time."""

    def body(state: AigcState, line: Any) -> tuple[AigcState, Outcome]:
        outcome = world.step(params, state, *line)
        return outcome.state, outcome

    actions = jnp.asarray(actions, jnp.int32)
    return jax.lax.scan(body, world.reset(params, first_of(rows)), (actions, rows))[1]


QUICK = {"xla_backend_optimization_level": 0}  # compiling takes longer than running here
played = jax.jit(rollout, static_argnums=0, compiler_options=QUICK)


# ------------------------------------------------------------------ actions and observations


@pytest.mark.parametrize("servers", [1, 2, 5])
@pytest.mark.parametrize("quality_action", [True, False])
def test_action_index_is_a_bijection(servers: int, quality_action: bool) -> None:
    world = AigcWorld(servers=servers, quality_action=quality_action)
    assert world.actions == (1 + servers) * (3 if quality_action else 1)
    location, level = world.decode(jnp.arange(world.actions))
    pairs = {(int(a), int(b)) for a, b in zip(location, level, strict=True)}
    levels = range(3) if quality_action else [1]
    assert pairs == {(a, b) for a in range(servers + 1) for b in levels}
    np.testing.assert_array_equal(world.encode(location, level), np.arange(world.actions))
    assert world.action_space(None).n == world.actions


def named(world: AigcWorld, params: Any, state: Any, x: Any) -> dict[str, np.ndarray]:
    seen = np.asarray(world.observe(params, state, x))
    space = world.observation_space(params)
    assert seen.shape == space.shape
    assert len(set(space.names)) == len(space.names) == seen.shape[-1]
    return {name: seen[:, column] for column, name in enumerate(space.names)}


def test_full_observation_columns(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    params = aigc_params(server_ghz=[16.0, 12.0, 9.0], horizon_slots=200.0)
    state = aigc_state(2, 3, charge=[80.0, 20.0], local=[5.0, 10.0], server=[16, 32, 80], slot=50)
    x = aigc_inputs(
        2, 3, input_mb=[12.5, 20.0], work_gcycles=[4.0, 6.0], mode=[2, 0],
        bandwidth_mbps=[75.0, 150.0],
    )  # fmt: skip
    columns = named(AigcWorld(devices=2, servers=3), params, state, x)
    expected = {
        "input_mb": [12.5, 20.0],
        "work_gcycles": [4.0, 6.0],
        "mode_preview": [0, 1],
        "mode_balanced": [0, 0],
        "mode_best": [1, 0],
        "charge_pct": [80.0, 20.0],
        "bandwidth_mbps": [75.0, 150.0],
        "local_backlog_gcycles": [5.0, 10.0],
        "phase": [0.25, 0.25],  # 50 / 200
        "server_1_backlog_gcycles": [16.0, 16.0],
        "server_2_backlog_gcycles": [32.0, 32.0],
        "server_3_backlog_gcycles": [80.0, 80.0],
    }
    scales = InputScaler.of(AigcWorld(devices=2, servers=3).observation_space(params)).scale
    np.testing.assert_array_equal(scales, [25, 8, 1, 1, 1, 100, 150, 20, 1, 160, 160, 160])
    assert set(columns) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(columns[name], values, rtol=1e-6, err_msg=name)


def test_paper_observation_is_equation_18_in_raw_units(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    """u, D, C, u_mode, bat, f_loc, F_edge, B(t), L(t), and nothing else."""
    params = aigc_params(server_ghz=[16.0, 12.0], device_ghz=2.5)
    state = aigc_state(charge=43.0, local=5.0, server=[16.0, 32.0], slot=7)
    x = aigc_inputs(input_mb=12.5, work_gcycles=4.0, mode=2, bandwidth_mbps=75.0)
    columns = named(AigcWorld(obs="paper"), params, state, x)
    expected = {
        "task_number": 7, "input_mb": 12.5, "work_gcycles": 4, "mode": 2, "charge_pct": 43,
        "device_ghz": 2.5, "server_1_ghz": 16, "server_2_ghz": 12, "bandwidth_mbps": 75,
        "server_1_backlog_gcycles": 16, "server_2_backlog_gcycles": 32,
    }  # fmt: skip
    assert {name: float(values[0]) for name, values in columns.items()} == expected


# ------------------------------------------------------------------ the synthetic inputs


def test_inputs_stay_in_the_ranges_of_the_article(aigc_params: Build) -> None:
    stream = AigcWorld(devices=3).inputs(aigc_params())
    rows = jax.jit(lambda key: stream.next_rows(stream.init_carry(key), 4000)[1])(jax.random.key(0))
    ranges = {
        "bandwidth_mbps": (50, 150), "input_mb": (10, 25), "work_gcycles": (3, 8),
        "initial_charge_pct": (12, 100),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        values = np.asarray(getattr(rows, name))
        assert low <= values.min() < low + 0.05 * (high - low), name
        assert high - 0.05 * (high - low) < values.max() <= high, name
    assert set(np.unique(rows.mode)) == {0, 1, 2}
    assert np.all(rows.gap_s == 0.5)
    # 0.5 and 0.7 of 16 G-cycle/s; 4000 slots of about 1 job have a relative error near 2 %
    np.testing.assert_allclose(rows.background_gcps.mean(0), [8.0, 11.2], rtol=0.1)
    # a step of the walk has deviation 8 Mbit/s (a little less where it is folded)
    assert 7.0 < np.diff(rows.bandwidth_mbps, axis=0).std() < 8.2


# ------------------------------------------------------------------ conservation


@pytest.mark.parametrize("devices", [1, 3])
@pytest.mark.parametrize("overflow", ["end", "reject"])
def test_work_is_conserved(
    devices: int, overflow: Any, aigc_params: Build, aigc_rows: Build
) -> None:
    """Over an episode: own work in + background admitted = work done + backlog."""
    world = AigcWorld(devices=devices, overflow=overflow)
    params, rng = aigc_params(load_limit_gcycles=60.0), np.random.default_rng(3)
    rows = aigc_rows(rng, STEPS, devices, load_gcps=14.0, charge=(90, 100))
    actions = rng.integers(0, 9, (STEPS, devices))
    made = jax.tree.map(np.asarray, played(world, params, actions, rows))
    location, level = actions // 3, actions % 3
    work = np.asarray(rows.work_gcycles) * np.array([0.5, 1.0, 2.0])[level] * made.metrics.served

    for device in range(devices):
        own = np.where(location == 0, work, 0.0)[:, device]
        queue = done = 0.0
        for t in range(STEPS):
            done += min(queue + own[t], 2.0 * 0.5)
            queue = made.state.local_backlog_gcycles[t, device]
        assert own.sum() == pytest.approx(done + queue, rel=1e-4)
    admitted_some = refused_some = False
    for server in range(2):
        own = np.where(location == server + 1, work, 0.0).sum(axis=1)
        queue = done = admitted = 0.0
        for t in range(STEPS):
            offered = float(rows.background_gcps[t, server]) * 0.5
            room = max(0.0, 0.8 * 60.0 - queue - own[t])
            admitted += min(offered, room)
            refused_some |= offered > room
            admitted_some |= 0 < offered <= room
            done += min(queue + own[t] + min(offered, room), 16.0 * 0.5)
            queue = made.state.server_backlog_gcycles[t, server]
            assert queue >= 0
        assert own.sum() + admitted == pytest.approx(done + queue, rel=1e-4)
    assert admitted_some
    assert refused_some or devices == 1


@pytest.mark.parametrize("idle_w", [0.0, 0.5])
def test_charge_never_rises_and_pays_for_the_energy(
    idle_w: float, aigc_params: Build, aigc_rows: Build
) -> None:
    params, rng = aigc_params(idle_w=idle_w), np.random.default_rng(4)
    rows = aigc_rows(rng, STEPS, 3)
    actions = rng.integers(0, 9, (STEPS, 3))
    made = jax.tree.map(np.asarray, played(AigcWorld(devices=3), params, actions, rows))
    before = np.concatenate([np.asarray(rows.initial_charge_pct)[:1], made.state.charge_pct[:-1]])
    np.testing.assert_array_equal(made.metrics.charge_pct, before)
    assert np.all(made.state.charge_pct <= before)
    drawn_pct = 100 * made.metrics.device_energy_j.sum(0) / 1e4
    np.testing.assert_allclose(before[0] - made.state.charge_pct[-1], drawn_pct, rtol=1e-3)
    assert np.all(made.metrics.device_energy_j[made.metrics.served == 0] == idle_w * 0.5)


# ------------------------------------------------------------------ the reward is a stated function


@pytest.mark.parametrize("reading", ["ours", "paper"])
def test_reward_is_a_function_of_the_metrics(
    reading: Any, aigc_params: Build, aigc_rows: Build
) -> None:
    world = AigcWorld(devices=3, reading=reading, overflow="reject")
    # a threshold of 0: no load is low, so the weights follow the charge in both readings
    params = aigc_params(load_limit_gcycles=25.0, battery_j=2e3, load_threshold=0.0)
    rng = np.random.default_rng(5)
    rows = aigc_rows(rng, STEPS, 3, charge=(15.0, 60.0))
    made = jax.tree.map(np.asarray, played(world, params, rng.integers(0, 9, (STEPS, 3)), rows))
    m = made.metrics
    table = np.array([[0.2, 0.6, 0.2], [0.4, 0.3, 0.3], [0.7, 0.15, 0.15]])[m.mode]
    moved = 0.7 * np.clip((50 - m.charge_pct) / 40, 0, 1) * table[..., 0]
    utility = (
        (table[..., 0] - moved) * m.quality
        - table[..., 1] * m.delay_s / 10.0
        - (table[..., 2] + moved) * m.energy_j / 40.0
    )
    served = m.served == 1
    np.testing.assert_allclose(m.reward[served], utility[served], rtol=1e-4, atol=1e-5)
    assert np.all(m.reward[~served] == -1.0)
    assert 0 < (~served).sum() < served.sum()
    remote = m.location > 0
    energy = {
        "ours": m.device_energy_j + m.edge_energy_j,
        "paper": np.where(remote, m.edge_energy_j, m.device_energy_j),
    }[reading]
    np.testing.assert_allclose(m.energy_j[served], energy[served], rtol=1e-6)
    # the learner's reward differs by the terminal reward only, and is 0 for a device that is out
    active = m.charge_pct >= 10.0
    ends = active & (made.state.charge_pct < 10.0)
    expected = np.where(active, m.reward - 20.0 * ends, 0.0)
    np.testing.assert_allclose(made.reward, expected, rtol=1e-6)
    assert ends.any()
    assert not active.all()


@given(
    charge=st.floats(0, 100), load=st.floats(0, 160), mode=st.integers(0, 2),
    reading=st.sampled_from(["ours", "paper"]), adaptive=st.booleans(),
)  # fmt: skip
def test_weights_sum_to_one_in_every_state(
    aigc_params: Build, aigc_state: Build, charge: float, load: float, mode: int,
    reading: Any, adaptive: bool,
) -> None:  # fmt: skip
    world = AigcWorld(reading=reading, adaptive_weights=adaptive)
    state = aigc_state(charge=charge, server=[load, 160.0])
    made = np.asarray(weights(world, aigc_params(), state, jnp.array([mode])))[0]
    assert made.sum() == pytest.approx(1.0, abs=1e-6)
    assert made.min() >= 0.0


# ------------------------------------------------------------------ endings


def test_an_empty_battery_terminates(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world, params, x = AigcWorld(), aigc_params(), aigc_inputs()
    # 22 J are 0.22 %: 10.3 - 0.22 = 10.08 goes on, 10.2 - 0.22 = 9.98 ends
    on = world.step(params, aigc_state(charge=10.3), jnp.array([1]), x)
    off = world.step(params, aigc_state(charge=10.2), jnp.array([1]), x)
    assert not on.terminated
    assert off.terminated
    assert not off.truncated
    # the last task is served, then the terminal reward falls due
    assert off.metrics.served == 1.0
    assert off.reward == pytest.approx(float(off.metrics.reward[0]) - 20.0)
    # radio costs 2.865 J = 0.02865 %: the same charge is enough for an offload
    assert not world.step(params, aigc_state(charge=10.2), jnp.array([4]), x).terminated


def test_one_of_two_empty_batteries_does_not_terminate(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world, params, x = AigcWorld(devices=2), aigc_params(), aigc_inputs(2)
    out = world.step(params, aigc_state(2, charge=[10.2, 90.0]), jnp.array([1, 1]), x)
    assert not out.terminated
    np.testing.assert_allclose(out.reward, out.metrics.reward - np.array([20.0, 0.0]))
    # afterwards it serves nothing, pays nothing, queues nothing; its missed task counts as refused
    again = world.step(params, out.state, jnp.array([1, 1]), x)
    np.testing.assert_array_equal(again.metrics.served, [0.0, 1.0])
    assert again.reward[0] == 0.0
    assert again.metrics.reward[0] == -1.0
    assert again.state.charge_pct[0] == out.state.charge_pct[0]
    assert again.state.local_backlog_gcycles[0] == pytest.approx(4.5 - 1.0)


def test_the_clock_truncates(aigc_params: Build, aigc_state: Build, aigc_inputs: Build) -> None:
    world, params, x = AigcWorld(), aigc_params(horizon_slots=30.0), aigc_inputs()
    early = world.step(params, aigc_state(slot=28), jnp.array([1]), x)
    last = world.step(params, aigc_state(slot=29), jnp.array([1]), x)
    assert not early.truncated
    assert last.truncated
    assert not last.terminated
    assert last.reward == last.metrics.reward  # no terminal reward for running out of time
    # an overload in the last slot is a termination, not a truncation
    both = world.step(params, aigc_state(slot=29, server=159.0), jnp.array([5]), x)
    assert both.terminated
    assert not both.truncated


@given(seed=st.integers(0, 2**31))
def test_never_terminated_and_truncated(aigc_params: Build, aigc_rows: Build, seed: int) -> None:
    rng = np.random.default_rng(seed)
    params = aigc_params(horizon_slots=rng.integers(1, STEPS), load_limit_gcycles=30.0)
    rows = aigc_rows(rng, STEPS, charge=(10, 14))
    made = played(AigcWorld(), params, rng.integers(0, 9, (STEPS, 1)), rows)
    assert not np.any(made.terminated & made.truncated)
    over = np.asarray(made.state.slot) >= np.asarray(params.horizon_slots)
    np.testing.assert_array_equal(made.truncated, over & ~np.asarray(made.terminated))


def test_background_alone_never_terminates(aigc_params: Build, aigc_rows: Build) -> None:
    """Even ten times what the servers can do: others stop at 0.8 of the limit."""
    rng = np.random.default_rng(6)
    rows = aigc_rows(rng, 200, load_gcps=160.0, charge=(100, 100))
    params = aigc_params(horizon_slots=1e6)
    made = played(AigcWorld(), params, np.zeros((200, 1)), rows)
    assert not made.terminated.any()
    load = np.asarray(made.state.server_backlog_gcycles)
    assert load.max() == pytest.approx(0.8 * 160 - 8)  # full, then one slot of work done
    # the largest task, 8 x 2 = 16 G-cycle, still fits on top: 120 + 16 < 160
    full = jax.tree.map(lambda leaf: leaf[-1], made.state)
    x = dataclasses.replace(first_of(rows), work_gcycles=jnp.array([8.0]))
    assert not AigcWorld().step(params, full, jnp.array([5]), x).terminated


# ------------------------------------------------------------------ servers are shared


def test_another_device_delays_mine(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world, params = AigcWorld(devices=2), aigc_params()
    x = aigc_inputs(2, work_gcycles=[5.5, 8.0])
    alone = world.step(params, aigc_state(2), jnp.array([4, 2]), x)
    apart = world.step(params, aigc_state(2), jnp.array([4, 8]), x)
    shared = world.step(params, aigc_state(2), jnp.array([4, 5]), x)
    assert alone.metrics.delay_s[0] == apart.metrics.delay_s[0] == pytest.approx(1.84375)
    # the other task is 8 x 2 = 16 G-cycle; half of it is ahead: 8 / 16 = 0.5 s
    assert shared.metrics.delay_s[0] == pytest.approx(1.84375 + 0.5)
    # in the next slot all that is left is ahead: (5.5 + 16 - 8) / 16 = 0.84375 s
    following = world.step(params, shared.state, jnp.array([4, 2]), x)
    assert following.metrics.delay_s[0] == pytest.approx(1.84375 + 0.84375)


def test_a_device_that_is_out_delays_nobody(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    world, params, x = AigcWorld(devices=2), aigc_params(), aigc_inputs(2)
    out = world.step(params, aigc_state(2, charge=[90.0, 5.0]), jnp.array([4, 5]), x)
    assert out.metrics.delay_s[0] == pytest.approx(1.84375)
    np.testing.assert_allclose(out.state.server_backlog_gcycles, [0.0, 0.0])
    np.testing.assert_array_equal(out.metrics.served, [1.0, 0.0])


@pytest.mark.parametrize("overflow", ["end", "reject"])
def test_permuting_devices_permutes_outcomes(
    overflow: Any, aigc_params: Build, aigc_rows: Build
) -> None:
    world, rng = AigcWorld(devices=3, overflow=overflow), np.random.default_rng(8)
    params = aigc_params(load_limit_gcycles=50.0)
    rows, actions = aigc_rows(rng, STEPS, 3, charge=(11, 40)), rng.integers(0, 9, (STEPS, 3))
    made = played(world, params, actions, rows)
    order = np.array([2, 0, 1])
    per_device = ("input_mb", "work_gcycles", "mode", "bandwidth_mbps", "initial_charge_pct")
    turned = dataclasses.replace(rows, **{n: getattr(rows, n)[:, order] for n in per_device})
    other = played(world, params, actions[:, order], turned)
    np.testing.assert_allclose(other.reward, made.reward[:, order], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(other.state.charge_pct, made.state.charge_pct[:, order], rtol=1e-5)
    np.testing.assert_allclose(
        other.metrics.delay_s, made.metrics.delay_s[:, order], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(other.terminated, made.terminated)
    np.testing.assert_allclose(
        other.state.server_backlog_gcycles, made.state.server_backlog_gcycles, rtol=1e-4, atol=1e-4
    )


def test_renaming_servers_changes_nothing_else(aigc_params: Build, aigc_rows: Build) -> None:
    world, rng = AigcWorld(devices=2, servers=3), np.random.default_rng(9)
    speeds, order = np.array([16.0, 12.0, 9.0]), np.array([1, 2, 0])
    rows, actions = aigc_rows(rng, STEPS, 2, 3), rng.integers(0, 12, (STEPS, 2))
    made = played(world, aigc_params(server_ghz=speeds), actions, rows)
    turned = dataclasses.replace(rows, background_gcps=rows.background_gcps[:, order])
    renamed = np.array([0, *(1 + np.argsort(order))])[actions // 3] * 3 + actions % 3
    other = played(world, aigc_params(server_ghz=speeds[order]), renamed, turned)
    np.testing.assert_allclose(other.reward, made.reward, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        other.state.server_backlog_gcycles, made.state.server_backlog_gcycles[:, order],
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip
    assert not np.allclose(made.state.server_backlog_gcycles, other.state.server_backlog_gcycles)


# ------------------------------------------------------------------ monotony


@given(seed=st.integers(0, 2**31), factor=st.floats(1.05, 4.0))
def test_more_bandwidth_never_lowers_a_reward(
    aigc_params: Build, aigc_rows: Build, seed: int, factor: float
) -> None:
    rng = np.random.default_rng(seed)
    params = aigc_params(load_limit_gcycles=1e6)
    rows, actions = aigc_rows(rng, STEPS, charge=(20, 60)), rng.integers(0, 9, (STEPS, 1))
    wide = dataclasses.replace(rows, bandwidth_mbps=rows.bandwidth_mbps * factor)
    narrow, better = (played(AigcWorld(), params, actions, r) for r in (rows, wide))
    assert np.all(better.reward >= narrow.reward - 1e-5)
    remote = actions >= 3
    assert np.all(np.asarray(better.metrics.delay_s)[remote] < narrow.metrics.delay_s[remote])


@given(seed=st.integers(0, 2**31), factor=st.floats(1.05, 4.0))
def test_a_faster_server_never_lowers_a_reward(
    aigc_params: Build, aigc_rows: Build, seed: int, factor: float
) -> None:
    rng = np.random.default_rng(seed)
    rows, actions = aigc_rows(rng, STEPS, charge=(20, 60)), rng.integers(0, 9, (STEPS, 1))
    slow, fast = (
        played(
            AigcWorld(),
            aigc_params(load_limit_gcycles=1e6, server_ghz=[9.0 * f, 16.0 * f]),
            actions,
            rows,
        )
        for f in (1.0, factor)
    )
    assert np.all(fast.reward >= slow.reward - 1e-5)
    assert np.asarray(fast.reward).sum() > np.asarray(slow.reward).sum()


@given(
    local=st.floats(0, 100), server=st.floats(0, 150), action=st.integers(0, 8),
    reading=st.sampled_from(["ours", "paper"]),
)  # fmt: skip
def test_empty_queues_never_delay_more(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build,
    local: float, server: float, action: int, reading: Any,
) -> None:  # fmt: skip
    world = AigcWorld(reading=reading)
    step = one_step(world)
    params, x = aigc_params(), aigc_inputs()
    choice = jnp.array([action])
    empty = step(params, aigc_state(), choice, x).metrics.delay_s
    behind = step(params, aigc_state(local=local, server=server), choice, x).metrics.delay_s
    assert empty <= behind + 1e-6
    if action < 3 and local > 0.1:
        assert empty < behind


_STEPS: dict[AigcWorld, Any] = {}


def one_step(world: AigcWorld) -> Any:
    """Return the compiled step of a world, the same function every time."""
    if world not in _STEPS:
        _STEPS[world] = jax.jit(world.step, compiler_options=QUICK)
    return _STEPS[world]


# ------------------------------------------------------------------ arrays and compilation


def test_vmap_over_params_equals_a_loop(aigc_params: Build, aigc_rows: Build) -> None:
    rng = np.random.default_rng(10)
    rows, actions = aigc_rows(rng, STEPS), jnp.asarray(rng.integers(0, 9, (STEPS, 1)))
    several = [
        aigc_params(),
        aigc_params(kappa=1e-28, edge_j_per_gcycle=1.0),
        aigc_params(server_ghz=[8.0, 32.0], delay_norm_s=5.0, mode_weights=np.full((3, 3), 1 / 3)),
    ]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
    world = AigcWorld()
    together = jax.jit(jax.vmap(lambda p: rollout(world, p, actions, rows)))(stacked)
    for position, params in enumerate(several):
        alone = played(world, params, actions, rows)
        for made, expected in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(made[position], expected, rtol=1e-5, atol=1e-5)
    rewards = np.asarray(together.reward)
    assert not np.allclose(rewards[0], rewards[1])


def test_other_numbers_do_not_compile_again(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    traces = []

    @jax.jit
    def step(params: Any, state: Any, action: Any, x: Any) -> Any:
        traces.append(1)
        return AigcWorld().step(params, state, action, x)

    made = [
        step(aigc_params(slot_s=s, kappa=k, server_ghz=[f, 2 * f]), aigc_state(charge=c),
             jnp.array([a]), aigc_inputs(mode=m))
        for s, k, f, c, a, m in [(0.5, 1e-27, 16, 90, 0, 0), (1.0, 1e-28, 8, 40, 8, 2)]
    ]  # fmt: skip
    assert len(traces) == 1
    assert made[0].reward != made[1].reward


@pytest.mark.parametrize("devices", [1, 3])
@pytest.mark.parametrize("obs", ["full", "seed"])
def test_no_accidental_broadcasting_of_ranks(
    devices: int, obs: Any, aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    """The one-example code never adds an axis by chance: ranks must match, scalars aside."""
    world = AigcWorld(devices=devices, obs=obs)
    params, state, x = aigc_params(), aigc_state(devices, server=30.0), aigc_inputs(devices)
    with jax.numpy_rank_promotion("raise"):
        seen = jax.eval_shape(world.observe, params, state, x)
        out = jax.eval_shape(world.step, params, state, jnp.full(devices, 5), x)
        first = jax.eval_shape(world.reset, params, x)
    assert (seen.shape, seen.dtype) == ((devices, 11), jnp.float32)
    assert {leaf.shape for leaf in jax.tree.leaves(out.metrics)} == {(devices,)}
    assert out.reward.shape == (devices,)
    assert out.terminated.shape == out.truncated.shape == ()
    assert out.terminated.dtype == out.truncated.dtype == bool
    assert jax.tree.structure(first) == jax.tree.structure(state)


def test_a_state_keeps_its_structure(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    """What ``step`` returns can be fed to it again: same tree, shapes and dtypes."""
    world, params, x = AigcWorld(devices=3), aigc_params(), aigc_inputs(3)
    before = world.reset(params, x)
    after = world.step(params, before, jnp.zeros(3, jnp.int32), x).state
    assert jax.tree.structure(before) == jax.tree.structure(after)
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
    np.testing.assert_array_equal(before.charge_pct, x.initial_charge_pct)
    assert float(before.server_backlog_gcycles.sum() + before.local_backlog_gcycles.sum()) == 0.0
