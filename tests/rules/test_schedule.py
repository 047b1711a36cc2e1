"""Schedules at their corners: the first step, the end of the warm-up, the last step, beyond."""

from __future__ import annotations

import jax.numpy as jnp
import pytest

from edgewright.rules import schedule

WARM, TOTAL = 50.0, 1000.0


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.0), (1, 0.02), (25, 0.5), (50, 1.0), (51, 1.0), (1000, 1.0)]
)
def test_warm_up(step, expected):
    assert float(schedule.warm_up(jnp.float32(step), WARM)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 1.0), (50, 1.0), (525, 0.5), (1000, 0.0), (2000, 0.0), (240, 0.8)],
)
def test_linear_decay(step, expected):
    assert float(schedule.linear_decay(jnp.float32(step), WARM, TOTAL)) == pytest.approx(expected)


def test_the_product_peaks_where_the_warm_up_ends():
    steps = jnp.arange(1001.0)
    both = schedule.warm_up(steps, WARM) * schedule.linear_decay(steps, WARM, TOTAL)
    assert int(jnp.argmax(both)) == 50
    assert float(both.max()) == 1.0


def test_no_warm_up_is_one_from_the_first_step():
    assert float(schedule.warm_up(jnp.float32(1), 0.0)) == 1.0
    assert float(schedule.linear_decay(jnp.float32(0), 0.0, TOTAL)) == 1.0


@pytest.mark.parametrize(("step", "expected"), [(0, 1.0), (100, 0.525), (200, 0.05), (999, 0.05)])
def test_linear(step, expected):
    found = schedule.linear(jnp.float32(step), 1.0, 0.05, 200.0)
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize(("step", "power"), [(0, 0), (1, 1), (100, 100), (200, 200), (999, 200)])
def test_exponential_is_a_constant_factor_a_step(step: int, power: int) -> None:
    found = schedule.exponential(jnp.float32(step), 1.0, 0.9882**200, 200.0)
    assert float(found) == pytest.approx(0.9882**power, rel=1e-5)


def test_exponential_of_equal_ends_is_constant_and_of_nothing_is_nothing() -> None:
    steps = jnp.array([0.0, 50.0, 500.0])
    assert schedule.exponential(steps, 0.1, 0.1, 100.0) == pytest.approx([0.1] * 3)
    assert schedule.exponential(steps, 0.0, 0.0, 100.0) == pytest.approx([0.0] * 3)
