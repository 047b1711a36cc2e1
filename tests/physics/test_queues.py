"""Queues: backlogs that drain, tasks that wait. Equations (2), (7) of SE-PPO."""

from __future__ import annotations

import itertools
import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.physics.queues import (
    arrivals_by_server,
    drain,
    same_slot_wait_gcycles,
    slot_wait_s,
    wait_s,
)

work = st.floats(0.0, 200.0, width=32)


def test_wait_by_hand() -> None:
    # 160 G-cycle at 16 GHz: 10 s, the wait at the load limit; 3 at 2 GHz: 1.5 s; nothing: 0
    made = wait_s(jnp.array([160.0, 3.0, 0.0]), jnp.array([16.0, 2.0, 2.0]))
    np.testing.assert_allclose(made, [10.0, 1.5, 0.0])


def test_drain_by_hand() -> None:
    # 10 - 16 x 0.5 = 2; 5 - 8 < 0: 0; 1 - 2 x 0.5 = 0
    made = drain(jnp.array([10.0, 5.0, 1.0]), jnp.array([16.0, 16.0, 2.0]), jnp.float32(0.5))
    np.testing.assert_allclose(made, [2.0, 0.0, 0.0])


@given(backlog=work, speed=st.floats(0.1, 50), time=st.floats(0, 10))
def test_drain_conserves_work(backlog: float, speed: float, time: float) -> None:
    left = float(drain(backlog, speed, time))
    done = min(backlog, speed * time)  # a processor is never idle while work waits
    assert left >= 0.0
    assert done + left == pytest.approx(backlog, rel=1e-4, abs=1e-3)


@given(backlog=work, speed=st.floats(0.1, 50), first=st.floats(0, 5), second=st.floats(0, 5))
def test_draining_twice_is_draining_longer(
    backlog: float, speed: float, first: float, second: float
) -> None:
    twice = float(drain(drain(backlog, speed, first), speed, second))
    assert twice == pytest.approx(float(drain(backlog, speed, first + second)), abs=1e-3)


@pytest.mark.parametrize(
    ("backlog", "idle", "expected"),
    [
        # 16 GHz x 0.5 s = 8 G-cycle a slot
        (20.0, 0, 1.5),  # ceil(20 / 8) = 3 slots
        (8.0, 0, 0.5),  # exactly one slot
        (0.1, 0, 0.5),  # any rest occupies its whole slot
        (0.0, 0, 0.0),  # ended in the slot before: T_end - t + 1 = -1 + 1
        (0.0, 4, -2.0),  # idle for 4 whole slots: no positive part in the formula
    ],
)
def test_slot_wait_by_hand(backlog: float, idle: int, expected: float) -> None:
    made = slot_wait_s(jnp.float32(backlog), jnp.float32(16.0), jnp.float32(idle), jnp.float32(0.5))
    assert made == pytest.approx(expected)


@given(
    backlog=st.integers(0, 60),
    speed=st.sampled_from([1, 2, 8, 16]),
    idle=st.integers(0, 9),
)
def test_slot_wait_to_the_letter(backlog: int, speed: int, idle: int) -> None:
    """``T_end(u-1) - t + 1`` with ``T_end`` found by working through the slots one by one."""
    now = 100
    if backlog == 0:
        end = now - 1 - idle  # it ended before the idle slots
    else:
        left, end = backlog - speed, now
        while left > 0:
            left, end = left - speed, end + 1
    made = slot_wait_s(jnp.float32(backlog), jnp.float32(speed / 0.25), float(idle), 0.25)
    assert made == pytest.approx((end - now + 1) * 0.25)


@pytest.mark.parametrize("devices", [1, 2, 7])
def test_arrivals_equal_a_loop(devices: int) -> None:
    rng = np.random.default_rng(devices)
    seen = set()
    for _ in range(30):
        size, server = rng.uniform(1, 9, devices), rng.integers(-1, 3, devices)
        expected = np.zeros(3)
        for amount, place in zip(size, server, strict=True):
            if place >= 0:
                expected[place] += amount
        made = arrivals_by_server(jnp.asarray(size), jnp.asarray(server), 3)
        np.testing.assert_allclose(made, expected, rtol=1e-6)
        np.testing.assert_allclose(made.sum(), size[server >= 0].sum(), rtol=1e-6)
        seen |= set(server.tolist())
    assert seen == {-1, 0, 1, 2}


def test_numbering_of_devices_does_not_matter() -> None:
    size, server = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0, 1, 0, -1])
    for order in itertools.permutations(range(4)):
        moved = list(order)
        made = arrivals_by_server(jnp.asarray(size[moved]), jnp.asarray(server[moved]), 2)
        np.testing.assert_array_equal(made, [5.0, 2.0])


def test_same_slot_wait_is_the_mean_over_random_orders() -> None:
    # 2, 4, 6 at one server: (12 - own) / 2 = 5, 4, 3
    own = np.array([2.0, 4.0, 6.0])
    ahead = np.zeros(3)
    for order in itertools.permutations(range(3)):
        for place, device in enumerate(order):
            ahead[device] += own[list(order[:place])].sum()
    ahead /= math.factorial(3)
    np.testing.assert_allclose(ahead, [5.0, 4.0, 3.0])
    made = same_slot_wait_gcycles(jnp.asarray(own), jnp.full(3, 12.0))
    np.testing.assert_allclose(made, ahead, rtol=1e-6)


def test_a_single_device_waits_for_no_one_else() -> None:
    assert same_slot_wait_gcycles(jnp.array([5.5]), jnp.array([5.5])) == 0.0
