"""The binary world: its laws, its delays by hand and by NumPy, its sampler."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.rules.scaling import InputScaler
from edgewright.systems.binary import BinaryInputs, BinaryParams, BinaryWorld, delay
from edgewright.testing import check_world

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def params(binary_sampler: Any) -> BinaryParams:
    return jax.jit(binary_sampler(5).draw)(jax.random.key(1))


def plain_delays(p: BinaryParams, gain: np.ndarray, x: np.ndarray, objective: str) -> np.ndarray:
    """Equations (1) to (5) device by device, in double precision."""
    noise = 10 ** ((float(p.noise_dbm_hz) - 30) / 10) * float(p.bandwidth_mhz) * 1e6
    power = 10 ** ((float(p.transmit_dbm) - 30) / 10)
    weight, members = np.asarray(p.weight, float), int(x.sum())
    rate = float(p.bandwidth_mhz) * 1e6 * np.log2(1 + power * gain / noise)
    bits = 1e6 * (np.asarray(p.input_mbit, float) + np.asarray(p.output_mbit, float))
    cycles = np.asarray(p.cycles_per_bit, float) * 1e6 * np.asarray(p.input_mbit, float)
    up, edge = bits / rate, cycles / (1e9 * float(p.edge_ghz))
    if objective == "coupled":
        a, b = (np.sqrt(weight * alone) * x for alone in (up, edge))
        a, b = (need / max(need.sum(), 1e-30) for need in (a, b))
    elif objective == "equal_share":
        a = b = x / max(members, 1)
    else:
        a = b = np.ones(len(x))
    result = cycles / (1e9 * float(p.device_ghz))
    for n in np.flatnonzero(x):
        result[n] = up[n] / a[n] + edge[n] / b[n]
    assert members == 0 or objective == "separable" or abs(a[x > 0].sum() - 1) < 1e-5
    return result


@pytest.mark.parametrize("objective", ["coupled", "separable", "equal_share"])
def test_delays_are_those_of_the_equations(params: BinaryParams, objective: Any) -> None:
    world = BinaryWorld(devices=5, objective=objective)
    rng = np.random.default_rng(3)
    step = jax.jit(world.step)
    for _ in range(10):
        gain, action = 10 ** rng.uniform(-12.5, -9, 5), rng.integers(0, 2, 5)
        x = BinaryInputs(gain=jnp.asarray(gain, jnp.float32))
        outcome = step(params, world.reset(params, x), jnp.asarray(action), x)
        wanted = plain_delays(params, gain, action, objective)
        np.testing.assert_allclose(outcome.metrics.delay_s, wanted, rtol=1e-4)
        weighted = np.asarray(params.weight) * wanted
        np.testing.assert_allclose(outcome.metrics.weighted_delay_s, weighted, rtol=1e-4)
        np.testing.assert_allclose(outcome.reward, -weighted, rtol=1e-4)
        need = delay.needs(params, x.gain)
        total = delay.total_s(objective, delay.load(need, jnp.asarray(action)))
        np.testing.assert_allclose(total, weighted.sum(), rtol=1e-4)


def test_a_local_task_by_hand(params: BinaryParams) -> None:
    # 4 Mbit at 165 cycles per bit are 0.66 G-cycles, 0.2324 s at 2.84 GHz.
    p = dataclasses.replace(params, input_mbit=jnp.full(5, 4.0))
    world = BinaryWorld(devices=5)
    x = BinaryInputs(gain=jnp.full(5, 1e-9))
    outcome = world.step(p, world.reset(p, x), jnp.zeros(5, jnp.int32), x)
    np.testing.assert_allclose(outcome.metrics.delay_s, 0.66 / 2.84, rtol=1e-6)


@pytest.mark.parametrize(
    "world",
    [
        BinaryWorld(devices=5),
        BinaryWorld(devices=5, objective="equal_share", obs="scenario", masked=True),
    ],
)
def test_the_world_keeps_the_laws(world: BinaryWorld, params: BinaryParams) -> None:
    check_world(world, params, steps=60)


def test_an_empty_place_counts_nothing_and_changes_nothing(params: BinaryParams) -> None:
    world = BinaryWorld(devices=5, masked=True)
    fewer = dataclasses.replace(params, present=jnp.array([1.0, 1, 1, 0, 0]))
    x = BinaryInputs(gain=jnp.full(5, 1e-10))
    state = world.reset(fewer, x)
    some = world.step(fewer, state, jnp.array([1, 0, 1, 0, 0]), x)
    more = world.step(fewer, state, jnp.array([1, 0, 1, 1, 1]), x)
    np.testing.assert_allclose(some.reward, more.reward)
    np.testing.assert_array_equal(more.metrics.offloaded, [1, 0, 1, 0, 0])
    assert np.all(np.asarray(more.reward)[3:] == 0)
    assert world.observe(fewer, state, x)[:, -1].tolist() == [1, 1, 1, 0, 0]


def test_features_of_a_known_scenario_have_names(params: BinaryParams) -> None:
    world = BinaryWorld(devices=5, obs="scenario")
    seen = world.observe(params, world.reset(params, None), BinaryInputs(gain=jnp.full(5, 1e-10)))
    names = world.observation_space(params).names
    assert seen.shape == (5, len(names))
    np.testing.assert_allclose(seen[:, names.index("input_mbit")], params.input_mbit, rtol=1e-6)
    np.testing.assert_allclose(seen[:, names.index("gain_db")], -100.0, rtol=1e-6)


def test_a_network_takes_standardised_gains_and_nothing_of_an_empty_place(
    params: BinaryParams,
) -> None:
    known = {"gain_log10_mean": jnp.float32(-9.5), "gain_log10_std": jnp.float32(0.25)}
    fewer = dataclasses.replace(params, present=jnp.array([1.0, 1, 1, 0, 0]), **known)
    world = BinaryWorld(devices=5, masked=True)
    seen = world.observe(fewer, world.reset(fewer, None), BinaryInputs(gain=jnp.full(5, 1e-10)))
    scaled = InputScaler.of(world.observation_space(fewer))(seen)
    # (log10 1e-10 + 9.5) / 0.25 = -2, and the mask as it is
    np.testing.assert_allclose(scaled[:, 0], [-2, -2, -2, 0, 0], atol=1e-4)
    np.testing.assert_array_equal(scaled[:, 1], [1, 1, 1, 0, 0])


def test_the_sampler_keeps_to_its_law(binary_sampler: Any) -> None:
    sampler = binary_sampler(
        6, obstructed_share=0.5, cycles_per_bit=[80.0, 330.0], bandwidth_mhz=[10.0, 40.0],
        fewest_devices=3,
    )  # fmt: skip
    drawn = jax.jit(jax.vmap(sampler.draw))(jax.random.split(KEY, 4000))
    assert set(np.unique(drawn.weight).tolist()) == {1.0, 1.5}
    assert set(np.unique(drawn.bandwidth_mhz).tolist()) == {10.0, 40.0}
    assert set(np.asarray(drawn.present).sum(1).tolist()) == {3.0, 4.0, 5.0, 6.0}
    assert np.all(np.diff(np.asarray(drawn.present), axis=1) <= 0), "devices fill the first places"
    assert abs(float(drawn.obstructed.mean()) - 0.5) < 0.04
    sizes, cycles = np.asarray(drawn.input_mbit), np.asarray(drawn.cycles_per_bit)
    assert sizes.min() >= 1
    assert sizes.max() <= 8
    assert abs(sizes.mean() - 4.5) < 0.07  # 5 standard errors of 24 000 draws
    assert 80 <= cycles.min() <= cycles.max() <= 330
    np.testing.assert_allclose(drawn.output_mbit, 0.1 * sizes, rtol=1e-6)
    distance = np.asarray(drawn.distance_m)
    assert 10 <= distance.min() <= distance.max() <= 200
    # Uniform in a ring: half of the area lies within sqrt((10^2 + 200^2) / 2) = 141.6 m.
    assert abs(np.mean(distance < 141.6) - 0.5) < 0.02


def test_scenarios_of_different_seeds_do_not_meet(binary_sampler: Any) -> None:
    draw = jax.jit(jax.vmap(binary_sampler(5).draw))
    first, second = (draw(jax.random.split(jax.random.key(seed), 50)) for seed in (0, 1))
    apart = np.abs(np.asarray(first.input_mbit)[:, None] - np.asarray(second.input_mbit)[None])
    assert np.all(apart.max(axis=-1) > 1e-3)
