"""Every equation in float32 against the same in float64, over all that its inputs can be.

The kind of fault: ``1 + small`` and ``large - large``, whose digits float32 does not hold. A rate
at a signal-to-noise ratio of 1.6e-7 was 32 % off, at 1.6e-9 it was zero and its delay infinite.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from edgewright.physics import (
    caching,
    compute,
    contract,
    contract_response,
    energy,
    harvest,
    payments,
    preference,
    quality,
    queues,
    radio,
    screening,
    sharing,
)

DRAWS = 2000

Range = tuple[float, float]
"""Lowest and highest value; drawn evenly in the logarithm where both are above zero."""

WORK, SPEED, TIME, PART = (1e-6, 1e6), (1e-3, 1e4), (1e-6, 1e6), (0.0, 1.0)

SCALARS: dict[Callable[..., object], tuple[Callable[..., object], Sequence[Range]]] = {
    compute.actual_work_gcycles: (lambda c, omega: c * omega, (WORK, (1e-3, 1e3))),
    compute.service_s: (lambda c, f: c / f, (WORK, SPEED)),
    energy.dvfs_j: (lambda c, f, k: k * (f * 1e9) ** 2 * c * 1e9, (WORK, SPEED, (1e-30, 1e-24))),
    energy.per_cycle_j: (lambda c, e: c * e, (WORK, (1e-6, 1e3))),
    energy.transfer_j: (
        lambda up, down, send, receive: send * up + receive * down,
        (TIME, TIME, (1e-3, 1e2), (1e-3, 1e2)),
    ),
    preference.scarcity: (
        lambda level, threshold, span: np.clip((threshold - level) / span, 0, 1),
        ((0.0, 100.0), (0.0, 100.0), (1e-2, 1e2)),
    ),
    quality.saturating_quality: (
        lambda omega, rate, best: (1 - np.exp(-rate * omega)) / (1 - np.exp(-rate * best)),
        ((1e-3, 10.0), (1e-4, 10.0), (1e-3, 10.0)),
    ),
    queues.wait_s: (lambda q, f: q / f, (WORK, SPEED)),
    radio.transmission_s: (
        lambda data, rate, delay: 8 * data / rate + delay,
        ((1e-6, 1e5), (1e-12, 1e6), (1e-6, 10.0)),
    ),
    radio.shannon_mbps: (lambda b, snr: b * np.log2(1 + snr), ((1e-3, 1e4), (1e-8, 1e12))),
    radio.watts: (lambda dbm: 10 ** ((dbm - 30) / 10), ((-200.0, 100.0),)),
    radio.line_of_sight_loss_db: (lambda d: 103.8 + 20.9 * np.log10(d / 1e3), ((1.0, 1e6),)),
    radio.macro_loss_db: (lambda d: 128.1 + 37.6 * np.log10(d / 1e3), ((1.0, 1e6),)),
    radio.obstructed_loss_db: (lambda d: 145.4 + 37.5 * np.log10(d / 1e3), ((1.0, 1e6),)),
    radio.power_gain: (lambda loss: 10 ** (-loss / 10), ((-20.0, 300.0),)),
    radio.noise_w: (
        lambda density, band: 10 ** ((density - 30) / 10) * band * 1e6,
        ((-200.0, 0.0), (1e-3, 1e4)),
    ),
    sharing.root_need: (lambda w, t: np.sqrt(w * t), ((1e-3, 1e3), TIME)),
}
"""Each equation of numbers alone: the same in float64, and the range of each input."""

ELSEWHERE = {
    harvest.best_rates_mbps, preference.shift_to_energy, preference.task_reward,
    queues.slot_wait_s, queues.drain, queues.arrivals_by_server, queues.same_slot_wait_gcycles,
    caching.fit, caching.fetch_s,
    *(
        function
        for module in (contract, contract_response, screening, payments)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    ),
}  # fmt: skip
"""Equations with shapes, steps or a positive part: the tests below, and those of contracts in
``test_contract.py``, which holds them against loops in float64."""


def draw(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Return float32 values as float64, so that both sides are told the same numbers."""
    if low > 0:
        values = np.exp(rng.uniform(math.log(low), math.log(high), DRAWS))
    else:
        values = rng.uniform(low, high, DRAWS)
    return values.astype(np.float32).astype(np.float64)


def in_float32(function: Callable[..., object], *inputs: np.ndarray) -> np.ndarray:
    result = function(*(jnp.asarray(value, jnp.float32) for value in inputs))
    return np.asarray(result, np.float64)


def test_every_equation_of_physics_is_here() -> None:
    modules = (caching, compute, energy, harvest, preference, quality, queues, radio, sharing)
    modules += (contract, contract_response, payments, screening)
    public = {
        function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert public == SCALARS.keys() | ELSEWHERE


@pytest.mark.parametrize("function", SCALARS, ids=lambda function: function.__name__)
def test_float32_holds_five_digits(function: Callable[..., object]) -> None:
    exact, ranges = SCALARS[function]
    rng = np.random.default_rng(0)
    inputs = [draw(rng, *ends) for ends in ranges]
    np.testing.assert_allclose(
        in_float32(function, *inputs), exact(*inputs), rtol=2e-5, atol=1e-6 * (function is
        preference.scarcity)
    )  # fmt: skip


def test_a_weak_link_by_hand() -> None:
    # log2(1 + x) = x / ln 2 to the first order: 10 MHz at 1.6e-9 carry 2.308e-8 Mbit/s
    assert float(radio.shannon_mbps(jnp.float32(10.0), jnp.float32(1.6e-9))) == pytest.approx(
        10 * 1.6e-9 / math.log(2), rel=1e-6
    )


def test_a_drained_queue_is_exact_to_the_digits_of_what_was_there() -> None:
    rng = np.random.default_rng(1)
    backlog, speed, time = draw(rng, *WORK), draw(rng, *SPEED), draw(rng, 1e-3, 1e3)
    exact = np.maximum(0, backlog - speed * time)
    error = np.abs(in_float32(queues.drain, backlog, speed, time) - exact)
    assert np.all(error <= 1e-6 * np.maximum(backlog, speed * time))


def test_slots_of_waiting_are_whole_but_for_a_rounding_of_one() -> None:
    rng = np.random.default_rng(2)
    backlog, speed, idle = draw(rng, 1e-3, 1e4), draw(rng, 1e-1, 1e2), draw(rng, 1.0, 10.0)
    slots = backlog / (speed * 0.5)
    exact = np.ceil(slots) * 0.5
    result = in_float32(lambda *given: queues.slot_wait_s(*given, 0.5), backlog, speed, idle)
    near_a_step = np.abs(slots - np.round(slots)) < 1e-6 * slots
    np.testing.assert_allclose(result[~near_a_step], exact[~near_a_step], rtol=1e-6)


def test_work_that_arrives_adds_up_and_half_of_the_others_is_ahead() -> None:
    rng = np.random.default_rng(3)
    work, server = draw(rng, 1e-3, 1e3), rng.integers(-1, 5, DRAWS)
    exact = np.array([work[server == n].sum() for n in range(5)])
    arrived = in_float32(lambda w: queues.arrivals_by_server(w, jnp.asarray(server), 5), work)
    np.testing.assert_allclose(arrived, exact, rtol=2e-5)
    at_own = exact[np.maximum(server, 0)].astype(np.float32).astype(np.float64)
    ahead = in_float32(queues.same_slot_wait_gcycles, work, at_own)
    np.testing.assert_allclose(ahead, (at_own - work) / 2, rtol=2e-5, atol=1e-6 * exact.max())


def test_shifted_weights_still_sum_to_one_and_price_a_task() -> None:
    rng = np.random.default_rng(4)
    weights = rng.dirichlet(np.ones(3), DRAWS).astype(np.float32).astype(np.float64)
    scarce, fraction = draw(rng, *PART), draw(rng, *PART)
    moved = fraction * scarce * weights[:, 0]
    exact = weights + np.stack([-moved, 0 * moved, moved], axis=1)
    shifted = in_float32(preference.shift_to_energy, weights, scarce, fraction)
    np.testing.assert_allclose(shifted, exact, atol=1e-6)
    np.testing.assert_allclose(shifted.sum(axis=1), 1.0, atol=1e-6)
    terms = [draw(rng, *PART), draw(rng, 1e-3, 1e3), draw(rng, 1e-3, 1e3)]
    reward = in_float32(preference.task_reward, weights, *terms)
    parts = weights * np.stack(terms, axis=1)
    exact = parts[:, 0] - parts[:, 1] - parts[:, 2]
    assert np.all(np.abs(reward - exact) <= 1e-6 * parts.sum(axis=1))


def best_rates_in_float64(weight: np.ndarray, gain: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Solve the conditions of the best shares by two nested root searches."""
    charge, worth = 2.1 / 1e-10 * gain**2, weight * 2e6 / 1.1 / math.log(2) / 1e6
    local = 2.1 ** (1 / 3) / 100 / 1e-26 ** (1 / 3) / 1e6 * np.cbrt(gain)

    def ratio(price: float, each: float) -> float:
        goal = price / each
        return math.expm1(brentq(lambda z: math.exp(-z) + z - 1 - goal, 0.0, goal + 2 + goal**0.5))

    def at(price: float) -> tuple[float, np.ndarray]:
        reached = np.array([ratio(price, each) for each in worth])
        return 1 / (1 + np.sum(np.where(away, charge / reached, 0))), reached

    def gap(log_price: float) -> float:
        share, reached = at(math.exp(log_price))
        more = np.sum(np.where(away, 0, weight * local)) / 3 * share ** (-2 / 3)
        more += np.sum(np.where(away, worth * charge / (1 + reached), 0))
        return math.log(more) - log_price

    share, reached = at(math.exp(brentq(gap, math.log(1e-7), math.log(300.0), xtol=1e-13)))
    carried = worth / weight * charge * share / reached * np.log1p(reached)
    return np.where(away, carried, local * np.cbrt(share))


@pytest.mark.parametrize("decades", [(-7, -5), (-9, -7), (-5, -3), (-9, -3)], ids=str)
def test_harvested_rates_hold_three_digits(decades: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        gain = (10 ** rng.uniform(*decades, 6)).astype(np.float32).astype(np.float64)
        weight, away = rng.choice([1.0, 1.5], 6), np.array([1, 1, 0, 1, 0, 1], bool)
        exact = best_rates_in_float64(weight, gain, away)
        made = in_float32(harvest.best_rates_mbps, weight, gain, away)
        assert np.sum(weight * made) == pytest.approx(np.sum(weight * exact), rel=2e-4)
        np.testing.assert_allclose(made, exact, rtol=2e-3, atol=1e-6 * exact.max())


def test_fetching_holds_five_digits_and_a_cache_never_overflows() -> None:
    rng = np.random.default_rng(3)
    for scale in (1e-3, 1.0, 1e6):
        size = rng.uniform(scale, 10 * scale, 12).astype(np.float32).astype(np.float64)
        before, after = rng.integers(0, 2, (2, 3, 12)).astype(float)
        exact = np.sum(after * (1 - before) @ size) / 200.0
        ours = in_float32(caching.fetch_s, before, after, size, np.array(200.0))
        np.testing.assert_allclose(ours, exact, rtol=1e-5)
        capacity = 0.4 * size.sum()
        held = in_float32(caching.fit, rng.uniform(-1, 1, 12), size, np.array(capacity))
        assert held @ size <= capacity * (1 + 1e-6)
