"""Many devices: reach, being alone, numbers of their own; what is shared and what is conserved."""

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
from edgewright.systems.aigc import AigcInputs, AigcWorld, for_device
from edgewright.systems.aigc.baselines.greedy import immediate_rewards
from edgewright.systems.aigc.records import OF_A_DEVICE
from edgewright.testing import check_world

Build = Callable[..., Any]
STEPS, M, N, REACH = 40, 4, 5, 2
QUICK = {"xla_backend_optimization_level": 0}
NUMBERS: dict[str, Any] = {
    "server_ghz": [16.0, 11.0, 20.0, 9.0, 14.0],
    "background_utilisation": 0.5,
    "load_limit_gcycles": 60.0,
    "device_ghz": [2.0, 1.5, 2.5, 3.0],
    "kappa": [1e-27, 5e-28, 8e-28, 3e-28],
    "battery_j": [6e3, 9e3, 12e3, 5e3],
    "transmit_w": [2.0, 1.0, 1.5, 2.5],
    "receive_w": 0.5,
}


def rollout(world: AigcWorld, params: Any, actions: Any, rows: AigcInputs) -> Outcome:
    def body(state: Any, line: Any) -> tuple[Any, Outcome]:
        outcome = world.step(params, state, *line)
        return outcome.state, outcome

    first = jax.tree.map(lambda leaf: leaf[0], rows)
    actions = jnp.asarray(actions, jnp.int32)
    return jax.lax.scan(body, world.reset(params, first), (actions, rows))[1]


played = jax.jit(rollout, static_argnums=0, compiler_options=QUICK)


def drawn_neighbours(rng: np.random.Generator, devices: int = M) -> np.ndarray:
    rows = [rng.permutation(N)[:REACH] for _ in range(devices)]
    return np.asarray(rows, np.int32)


def with_neighbours(params: Any, table: Any) -> Any:
    return dataclasses.replace(params, neighbours=jnp.asarray(table, jnp.int32))


def assert_same(made: Any, expected: Any, tolerance: float = 0.0) -> None:
    for one, other in zip(jax.tree.leaves(made), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------ conservation


@given(seed=st.integers(0, 2**31))
def test_work_is_conserved_at_every_server(seed: int, aigc_params: Build, aigc_rows: Build) -> None:
    """Sent by those in reach + admitted from outside = done + what is left, server by server."""
    rng = np.random.default_rng(seed)
    table = drawn_neighbours(rng)
    world = AigcWorld(devices=M, servers=N, reach=REACH, overflow="reject")
    params = with_neighbours(aigc_params(**NUMBERS), table)
    rows = aigc_rows(rng, STEPS, M, N, load_gcps=8.0, charge=(20, 100))
    actions = rng.integers(0, world.actions, (STEPS, M))
    made = jax.tree.map(np.asarray, played(world, params, actions, rows))
    location, level = actions // 3, actions % 3
    np.testing.assert_array_equal(made.metrics.location, location)
    work = np.asarray(rows.work_gcycles) * np.array([0.5, 1.0, 2.0])[level] * made.metrics.served
    server = np.where(location > 0, table[np.arange(M), np.maximum(location, 1) - 1], -1)
    for n, ghz in enumerate(NUMBERS["server_ghz"]):
        own = np.where(server == n, work, 0.0).sum(axis=1)
        queue = done = admitted = 0.0
        for t in range(STEPS):
            offered = float(rows.background_gcps[t, n]) * 0.5
            room = max(0.0, 0.8 * 60.0 - queue - own[t])
            admitted += min(offered, room)
            done += min(queue + own[t] + min(offered, room), ghz * 0.5)
            queue = float(made.state.server_backlog_gcycles[t, n])
        assert own.sum() + admitted == pytest.approx(done + queue, rel=1e-4)


@given(seed=st.integers(0, 2**31))
def test_permuting_devices_permutes_outcomes(
    seed: int, aigc_params: Build, aigc_rows: Build
) -> None:
    """Their numbers, their rows of the table and their inputs go with them."""
    rng = np.random.default_rng(seed)
    table, order = drawn_neighbours(rng), rng.permutation(M)
    world = AigcWorld(devices=M, servers=N, reach=REACH, overflow="reject")
    rows = aigc_rows(rng, STEPS, M, N, charge=(20, 100))
    actions = rng.integers(0, world.actions, (STEPS, M))
    turned = {
        name: np.asarray(value)[order] if name in OF_A_DEVICE and np.ndim(value) else value
        for name, value in NUMBERS.items()
    }
    per_device = ("input_mb", "work_gcycles", "mode", "bandwidth_mbps", "initial_charge_pct")
    other_rows = dataclasses.replace(rows, **{n: getattr(rows, n)[:, order] for n in per_device})
    made = played(world, with_neighbours(aigc_params(**NUMBERS), table), actions, rows)
    other = played(
        world, with_neighbours(aigc_params(**turned), table[order]), actions[:, order], other_rows
    )
    assert_same(other.reward, made.reward[:, order], 1e-4)
    assert_same(other.state.charge_pct, made.state.charge_pct[:, order], 1e-4)
    assert_same(other.metrics.delay_s, made.metrics.delay_s[:, order], 1e-4)
    assert_same(other.state.server_backlog_gcycles, made.state.server_backlog_gcycles, 1e-4)


# ------------------------------------------------------------------ special cases


@pytest.mark.parametrize("overflow", ["end", "reject"])
def test_reach_of_all_servers_is_the_unrestricted_world(
    overflow: Any, aigc_params: Build, aigc_rows: Build
) -> None:
    rng = np.random.default_rng(1)
    everyone = AigcWorld(devices=M, servers=N, overflow=overflow, reading="paper")
    rows = aigc_rows(rng, STEPS, M, N, charge=(20, 100))
    actions = rng.integers(0, everyone.actions, (STEPS, M))
    params = aigc_params(**NUMBERS)
    expected = played(everyone, params, actions, rows)

    table = np.stack([rng.permutation(N) for _ in range(M)])
    near = dataclasses.replace(everyone, reach=N)
    place = np.argsort(table, axis=1)  # where each server stands in a device's row
    location, level = actions // 3, actions % 3
    mine = place[np.arange(M), np.maximum(location, 1) - 1] + 1
    renamed = np.where(location > 0, mine, 0) * 3 + level
    made = played(near, with_neighbours(params, table), renamed, rows)
    assert_same(made.state, expected.state)
    assert_same(made.reward, expected.reward)
    assert np.ptp(np.asarray(expected.state.server_backlog_gcycles), axis=0).min() > 0

    state, x = (jax.tree.map(lambda leaf: leaf[-1], tree) for tree in (expected.state, rows))
    ours = near.observe(with_neighbours(params, table), state, x)
    theirs = np.asarray(everyone.observe(params, state, x))
    features = theirs.shape[1] - N
    np.testing.assert_array_equal(ours[:, :features], theirs[:, :features])
    sorted_in = np.take_along_axis(theirs[:, features:], table, axis=1)
    np.testing.assert_array_equal(ours[:, features:], sorted_in)


def singles(params: Any, actions: Any, rows: AigcInputs, servers: list[int]) -> list[Outcome]:
    """Return each device's outcomes in a world of its own; ``servers[m]`` counts its servers."""
    made = []
    for device, count in enumerate(servers):
        cut = jax.tree.map(lambda leaf: leaf[0], rows)
        mine, _, _ = for_device(params, AigcWorld(devices=M).reset(params, cut), cut, device)
        own = slice(device, device + 1)
        fields = ("input_mb", "work_gcycles", "mode", "bandwidth_mbps", "initial_charge_pct")
        alone = {name: getattr(rows, name)[:, own] for name in fields}
        if count == 1:  # its server is the one of its own number
            alone["background_gcps"] = rows.background_gcps[:, own]
            mine = dataclasses.replace(mine, server_ghz=params.server_ghz[own])
        mine = dataclasses.replace(mine, neighbours=None)
        x = dataclasses.replace(rows, **alone)
        made.append(played(AigcWorld(servers=count, overflow="reject"), mine, actions[:, own], x))
    return made


def compare_with_singles(made: Outcome, expected: list[Outcome]) -> None:
    for device, one in enumerate(expected):
        for name in ("reward", "delay_s", "energy_j", "served", "charge_pct"):
            mine = getattr(made.metrics, name)[:, device]
            np.testing.assert_allclose(
                mine, getattr(one.metrics, name)[:, 0], rtol=1e-5, atol=1e-5, err_msg=name
            )


def test_devices_with_servers_of_their_own_are_single_worlds(
    aigc_params: Build, aigc_rows: Build
) -> None:
    rng = np.random.default_rng(2)
    numbers = {**NUMBERS, "server_ghz": NUMBERS["server_ghz"][:M]}
    params = with_neighbours(aigc_params(**numbers), np.arange(M)[:, None])
    world = AigcWorld(devices=M, servers=M, reach=1, overflow="reject")
    rows = aigc_rows(rng, STEPS, M, M, charge=(20, 100))
    actions = rng.integers(0, 6, (STEPS, M))
    made = played(world, params, actions, rows)
    expected = singles(params, actions, rows, [1] * M)
    compare_with_singles(made, expected)
    for device, one in enumerate(expected):
        backlog = made.state.server_backlog_gcycles[:, device]
        assert_same(backlog, one.state.server_backlog_gcycles[:, 0], 1e-5)


def test_alone_is_a_single_world_for_each_device(aigc_params: Build, aigc_rows: Build) -> None:
    """All meet the same load of outsiders, and nobody meets anybody else."""
    rng = np.random.default_rng(3)
    params = aigc_params(**NUMBERS)
    world = AigcWorld(devices=M, servers=N, overflow="reject", alone=True)
    rows = aigc_rows(rng, STEPS, M, N, charge=(20, 100))
    actions = rng.integers(0, world.actions, (STEPS, M))
    made = played(world, params, actions, rows)
    compare_with_singles(made, singles(params, actions, rows, [N] * M))
    together = played(dataclasses.replace(world, alone=False), params, actions, rows)
    assert float(together.metrics.delay_s.mean()) > float(made.metrics.delay_s.mean())


def test_alone_with_reach_has_the_same_servers(aigc_params: Build, aigc_rows: Build) -> None:
    rng = np.random.default_rng(4)
    table = drawn_neighbours(rng)
    params = with_neighbours(aigc_params(**NUMBERS), table)
    world = AigcWorld(devices=M, servers=N, reach=REACH, overflow="reject", alone=True)
    rows = aigc_rows(rng, STEPS, M, N, charge=(20, 100))
    actions = rng.integers(0, world.actions, (STEPS, M))
    made = played(world, params, actions, rows)
    for device in range(M):
        one = dataclasses.replace(world, devices=1)
        cut = jax.tree.map(lambda leaf: leaf[0], rows)
        mine, _, _ = for_device(params, world.reset(params, cut), cut, device)
        own = slice(device, device + 1)
        fields = ("input_mb", "work_gcycles", "mode", "bandwidth_mbps", "initial_charge_pct")
        x = dataclasses.replace(rows, **{name: getattr(rows, name)[:, own] for name in fields})
        expected = played(one, mine, actions[:, own], x)
        assert_same(made.metrics.reward[:, device], expected.metrics.reward[:, 0], 1e-5)


# ------------------------------------------------------------------ what a device is and sees


def test_each_device_pays_by_its_own_numbers(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    params = aigc_params(
        device_ghz=[2.0, 1.0], kappa=[1e-27, 4e-27], battery_j=[1e4, 2e3], transmit_w=[2.0, 1.0]
    )
    world, x = AigcWorld(devices=2), aigc_inputs(2)
    out = world.step(params, aigc_state(2), jnp.array([1, 1]), x)
    # 5.5 G-cycle: 2.75 s and 5.5 s; kappa f^2 C: 1e-27 x 4e18 x 5.5e9 = 22 J, 4e-27 x 1e18 x 5.5e9
    np.testing.assert_allclose(out.metrics.delay_s, [2.75, 5.5], rtol=1e-6)
    np.testing.assert_allclose(out.metrics.device_energy_j, [22.0, 22.0], rtol=1e-6)
    np.testing.assert_allclose(out.state.charge_pct, [99.78, 98.9], rtol=1e-6)
    # on the air: 2 x 1.41 + 0.5 x 0.09 = 2.865 J, 1 x 1.41 + 0.5 x 0.09 = 1.455 J
    sent = world.step(params, aigc_state(2), jnp.array([4, 7]), x)
    np.testing.assert_allclose(sent.metrics.device_energy_j, [2.865, 1.455], rtol=1e-6)


def test_a_device_sees_its_own_numbers_and_the_servers_in_reach(
    aigc_params: Build, aigc_state: Build, aigc_inputs: Build
) -> None:
    numbers = {"device_ghz": [2.0, 1.0], "kappa": [1e-27, 2e-27], "battery_j": [1e4, 5e3]}
    params = with_neighbours(aigc_params(server_ghz=[16.0, 12.0, 9.0], **numbers), [[2, 0], [1, 2]])
    world = AigcWorld(devices=2, servers=3, reach=2, obs="device")
    seen = world.observe(params, aigc_state(2, 3, server=[16.0, 32.0, 80.0]), aigc_inputs(2, 3))
    names = world.observation_space(params).names
    assert names[-6:] == (
        "device_ghz", "device_j_per_gcycle", "battery_j", "transmit_w",
        "near_1_backlog_gcycles", "near_2_backlog_gcycles",
    )  # fmt: skip
    np.testing.assert_allclose(seen[0, -6:], [2, 4, 1e4, 2, 80, 16], rtol=1e-5)
    np.testing.assert_allclose(seen[1, -6:], [1, 2, 5e3, 2, 32, 80], rtol=1e-5)
    raw = dataclasses.replace(world, obs="paper")
    seen = raw.observe(params, aigc_state(2, 3, server=[16.0, 32.0, 80.0]), aigc_inputs(2, 3))
    assert raw.observation_space(params).names[-4:-2] == ("near_1_ghz", "near_2_ghz")
    np.testing.assert_allclose(seen[:, -4:-2], [[9.0, 16.0], [12.0, 9.0]])


def test_a_world_with_reach_keeps_the_laws(aigc_params: Build) -> None:
    world = AigcWorld(devices=3, servers=4, reach=2, obs="device", overflow="reject")
    numbers = {"server_ghz": [16.0] * 4, "background_utilisation": [0.5] * 4}
    check_world(world, with_neighbours(aigc_params(**numbers), [[0, 1], [2, 3], [3, 0]]))


def test_nothing_is_as_large_as_devices_times_servers(aigc_params: Build) -> None:
    """The largest array of a slot, and of the greedy rule, grows with M k + N only."""
    devices, servers, reach = 211, 307, 3
    numbers = {"server_ghz": [16.0] * servers, "background_utilisation": [0.5] * servers}
    table = np.random.default_rng(0).integers(0, servers, (devices, reach))
    params = with_neighbours(aigc_params(**numbers), table)
    world = AigcWorld(
        devices=devices, servers=servers, reach=reach, overflow="reject", reading="paper"
    )
    stream = world.inputs(params)
    x = jax.eval_shape(lambda: jax.tree.map(lambda a: a[0], stream.next_rows(
        stream.init_carry(jax.random.key(0)), 1)[1]))  # fmt: skip
    state = jax.eval_shape(world.reset, params, x)
    action = jax.ShapeDtypeStruct((devices,), jnp.int32)
    slot = jax.make_jaxpr(world.step)(params, state, action, x)
    see = jax.make_jaxpr(world.observe)(params, state, x)
    rule = jax.make_jaxpr(lambda *row: immediate_rewards(world, *row))(params, state, x)
    largest = {"step": largest_array(slot.jaxpr), "observe": largest_array(see.jaxpr)}
    assert max(largest.values()) <= devices * (9 + reach), largest
    assert largest_array(rule.jaxpr) <= world.actions * devices * 3  # weights of each action


def largest_array(jaxpr: Any) -> int:
    sizes = [0]
    for equation in jaxpr.eqns:
        sizes += [int(np.prod(v.aval.shape)) for v in equation.outvars if hasattr(v, "aval")]
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                core = getattr(inner, "jaxpr", inner)
                if hasattr(core, "eqns"):
                    sizes.append(largest_array(core))
    return max(sizes)
