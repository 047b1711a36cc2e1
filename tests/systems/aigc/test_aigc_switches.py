"""Every switch of the AIGC world against a number worked out by hand, and against doing nothing.

Unless a test says otherwise: balanced weights (0.4, 0.3, 0.3), task 17.5 MB and 5.5 G-cycle,
100 Mbit/s, so that up = 1.4 + 0.01 = 1.41 s, down = 0.08 + 0.01 = 0.09 s, radio 2 W x 1.41 s +
0.5 W x 0.09 s = 2.865 J.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.records import Outcome
from edgewright.systems.aigc import AigcWorld


@pytest.fixture(scope="module")
def serve(
    aigc_params: Callable[..., Any], aigc_state: Callable[..., Any], aigc_inputs: Callable[..., Any]
) -> Callable[..., Outcome]:
    """Return a function that serves one task: world, location, level, and what differs."""

    def run(
        world: AigcWorld, location: int, level: int, *, state: dict[str, Any] | None = None,
        numbers: dict[str, Any] | None = None, x: dict[str, Any] | None = None,
    ) -> Outcome:  # fmt: skip
        params = aigc_params(**(numbers or {}))
        action = world.encode(jnp.array([location], jnp.int32), jnp.array([level], jnp.int32))
        return world.step(params, aigc_state(**(state or {})), action, aigc_inputs(**(x or {})))

    return run


Serve = Callable[..., Outcome]


def test_the_default_local_task(serve: Serve) -> None:
    out = serve(AigcWorld(), 0, 1)
    # T = 5.5 / 2 = 2.75 s; E = 22 J; R = 0.4 x 0.77 - 0.3 x 0.275 - 0.3 x 0.55 = 0.0605
    assert out.metrics.delay_s == pytest.approx(2.75)
    assert out.metrics.energy_j == pytest.approx(22.0)
    assert out.metrics.edge_energy_j == 0.0
    assert out.reward == pytest.approx(0.0605, rel=1e-4)
    # charge: 100 - 100 x 22 / 10000 = 99.78; backlog 5.5 - 2 x 0.5 = 4.5
    assert out.state.charge_pct == pytest.approx(99.78)
    assert out.state.local_backlog_gcycles == pytest.approx(4.5)


@pytest.mark.parametrize(
    ("output_mb", "level", "delay"),
    [
        # up + down + C omega / 16: 1.5 + 0.171875, 0.34375, 0.6875
        (1.0, 0, 1.671875), (1.0, 1, 1.84375), (1.0, 2, 2.1875),
        # without a download, section 4's 1.42 + 0.17, 0.34, 0.69
        (0.0, 0, 1.591875), (0.0, 1, 1.76375), (0.0, 2, 2.1075),
    ],
)  # fmt: skip
def test_the_default_offloaded_task(
    serve: Serve, output_mb: float, level: int, delay: float
) -> None:
    out = serve(AigcWorld(), 2, level, numbers={"output_mb": output_mb})
    assert out.metrics.delay_s == pytest.approx(delay, rel=1e-5)


@pytest.mark.parametrize(("level", "delay"), [(0, 1.751875), (1, 1.84375), (2, 2.1475)])
def test_an_output_size_for_each_level(serve: Serve, level: int, delay: float) -> None:
    # 2, 1 and 0.5 MB down at 100 Mbit/s: 0.16, 0.08, 0.04 s, each and 0.01 s of delay
    sizes = [2.0, 1.0, 0.5]
    out = serve(AigcWorld(), 2, level, numbers={"output_mb": sizes})
    assert out.metrics.delay_s == pytest.approx(delay, rel=1e-5)
    # half a watt for as long: 2 W x 1.41 s + 0.5 W x down
    down_s = 0.08 * sizes[level] + 0.01
    assert out.metrics.device_energy_j == pytest.approx(2.82 + 0.5 * down_s, rel=1e-5)
    local = serve(AigcWorld(), 0, level, numbers={"output_mb": sizes})
    assert local.metrics.delay_s == serve(AigcWorld(), 0, level).metrics.delay_s


def test_waiting_behind_backlogs(serve: Serve) -> None:
    # local: 3 / 2 = 1.5 s more; server 1: 40 / 16 = 2.5 s more; server 2 (8 GHz): 12 / 8 + 5.5 / 8
    state = {"local": 3.0, "server": [40.0, 12.0]}
    numbers = {"server_ghz": [16.0, 8.0]}
    outs = [serve(AigcWorld(), n, 1, state=state, numbers=numbers) for n in range(3)]
    np.testing.assert_allclose(
        np.concatenate([out.metrics.delay_s for out in outs]),
        [1.5 + 2.75, 1.5 + 2.5 + 0.34375, 1.5 + 1.5 + 0.6875],
        rtol=1e-5,
    )


def test_readings_of_energy(serve: Serve) -> None:
    # medium at a server: 2.865 J of radio, 2 J x 5.5 = 11 J of server; T = 1.84375 s
    # 0.4 x 0.77 - 0.3 x 0.184375 - 0.3 x 13.865 / 40 = 0.1487
    ours = serve(AigcWorld(), 1, 1)
    assert ours.metrics.edge_energy_j == pytest.approx(11.0, rel=1e-5)
    assert ours.metrics.energy_j == pytest.approx(13.865, rel=1e-5)
    assert ours.metrics.reward == pytest.approx(0.1487, rel=1e-4)
    # the paper: 1e-27 x (16e9)^2 x 5.5e9 = 1408 J, and transmission is free
    paper = serve(AigcWorld(reading="paper"), 1, 1)
    assert paper.metrics.edge_energy_j == pytest.approx(1408.0, rel=1e-5)
    assert paper.metrics.energy_j == pytest.approx(1408.0, rel=1e-5)
    # whatever is counted, the battery pays for the radio: 100 - 100 x 2.865 / 10000
    for out in (ours, paper):
        assert out.metrics.device_energy_j == pytest.approx(2.865, rel=1e-5)
        assert out.state.charge_pct == pytest.approx(99.97135)
    for reading in ("ours", "paper"):
        local = serve(AigcWorld(reading=reading), 0, 1)
        assert local.metrics.energy_j == pytest.approx(22.0)


def test_overflow(serve: Serve) -> None:
    # 150 + 11 > 160: either the episode ends, or the task is refused
    state = {"server": [150.0, 0.0]}
    ended = serve(AigcWorld(overflow="end"), 1, 2, state=state)
    refused = serve(AigcWorld(overflow="reject"), 1, 2, state=state)
    assert ended.terminated
    # T = 1.5 + 150 / 16 + 0.6875 = 11.5625; E = 2.865 + 22 = 24.865
    # 0.4 - 0.3 x 1.15625 - 0.3 x 0.621625 = -0.1333625; and -20
    assert ended.metrics.reward == pytest.approx(-0.1333625, rel=1e-4)
    assert ended.reward == pytest.approx(-20.1333625, rel=1e-5)
    assert not refused.terminated
    assert refused.reward == refused.metrics.reward == -1.0
    assert refused.metrics.served == 0.0
    assert refused.state.charge_pct == 100.0
    # 150 - 8 with the task refused, 161 - 8 with it
    np.testing.assert_allclose(refused.state.server_backlog_gcycles, [142.0, 0.0])
    np.testing.assert_allclose(ended.state.server_backlog_gcycles, [153.0, 0.0])


def test_a_task_that_just_fits_is_served(serve: Serve) -> None:
    # 149 + 11 = 160 is not above the limit
    out = serve(AigcWorld(), 1, 2, state={"server": [149.0, 0.0]})
    assert not out.terminated
    assert out.metrics.served == 1.0


@pytest.mark.parametrize(
    ("reading", "server", "idle", "delay"),
    [
        ("ours", 20.0, 0.0, 1.84375 + 1.25),  # 20 / 16
        ("paper", 20.0, 0.0, 1.84375 + 1.5),  # 3 slots of 8 G-cycle
        ("ours", 0.0, 2.0, 1.84375),
        ("paper", 0.0, 2.0, 1.84375 - 1.0),  # 2 idle slots: a negative wait
    ],
)
def test_wait(serve: Serve, reading: Any, server: float, idle: float, delay: float) -> None:
    state = {"server": server, "server_idle": idle}
    out = serve(AigcWorld(reading=reading), 1, 1, state=state)
    assert out.metrics.delay_s == pytest.approx(delay, rel=1e-5)


def test_idle_slots_are_counted(serve: Serve) -> None:
    # server 1 works (5.5 < 8, so it is empty again), server 2 and the device stay idle
    state = {"server_idle": [3.0, 3.0], "local_idle": 5.0}
    out = serve(AigcWorld(reading="paper"), 1, 1, state=state)
    np.testing.assert_array_equal(out.state.server_idle_slots, [0.0, 4.0])
    np.testing.assert_array_equal(out.state.local_idle_slots, [6.0])
    # the next task starts at once, as the queue ended in the slot before: no wait, no bonus
    following = serve(AigcWorld(reading="paper"), 1, 1, state={"server_idle": [0.0, 4.0]})
    assert following.metrics.delay_s == pytest.approx(1.84375, rel=1e-5)


@pytest.mark.parametrize(
    ("reading", "server", "weights"),
    [
        # best: (0.7, 0.15, 0.15); need moves 0.7 x need x 0.7 = 0.49 need
        ("ours", [96.0, 120.0], (0.7, 0.15, 0.15)),
        ("paper", [96.0, 120.0], (0.7, 0.15, 0.15)),
        ("paper", [64.0, 160.0], (0.5775, 0.15, 0.2725)),  # (0.5 - 0.4) / 0.4 = 0.25
        ("paper", [0.0, 160.0], (0.21, 0.15, 0.64)),
    ],
)
def test_load_weighting(
    serve: Serve, reading: Any, server: list[float], weights: tuple[float, float, float]
) -> None:
    out = serve(AigcWorld(reading=reading), 0, 2, state={"server": server}, x={"mode": 2})
    # local, high: quality 1, T = 5.5 s (0.55), E = 44 J (1.1)
    expected = weights[0] - 0.55 * weights[1] - 1.1 * weights[2]
    assert out.reward == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("mode", "charge", "reward"),
    [
        # local, medium: 0.77 w_q - 0.275 w_t - 0.55 w_e
        (0, 100.0, -0.121),  # 0.154 - 0.165 - 0.11
        (1, 100.0, 0.0605),
        (2, 100.0, 0.41525),  # 0.539 - 0.04125 - 0.0825
        (2, 30.0, 0.09185),  # need 0.5: (0.455, 0.15, 0.395): 0.35035 - 0.04125 - 0.21725
        (2, 11.0, -0.2152),  # need 0.975, moved 0.47775: (0.22225, 0.15, 0.62775)
    ],
)
def test_adaptive_weights(serve: Serve, mode: int, charge: float, reward: float) -> None:
    state, x = {"charge": charge}, {"mode": mode}
    out = serve(AigcWorld(), 0, 1, state=state, x=x)
    assert out.reward == pytest.approx(reward, abs=2e-4)
    # all equal: (0.77 - 0.275 - 0.55) / 3 = -0.018333
    fixed = serve(AigcWorld(adaptive_weights=False), 0, 1, state=state, x=x)
    assert fixed.reward == pytest.approx(-0.0183333, rel=1e-4)


def test_quality_action() -> None:
    free, fixed = AigcWorld(), AigcWorld(quality_action=False)
    assert (free.actions, fixed.actions) == (9, 3)
    location, level = fixed.decode(jnp.arange(3))
    np.testing.assert_array_equal(location, [0, 1, 2])
    np.testing.assert_array_equal(level, [1, 1, 1])


def test_idle_power(serve: Serve) -> None:
    # 22 J of the task and 0.5 W x 0.5 s = 0.25 J: 100 - 0.2225
    out = serve(AigcWorld(), 0, 1, numbers={"idle_w": 0.5})
    assert out.state.charge_pct == pytest.approx(99.7775)
    assert out.metrics.device_energy_j == pytest.approx(22.25)
    assert out.metrics.energy_j == pytest.approx(22.0)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_reward_scale(serve: Serve, scale: float) -> None:
    out = serve(AigcWorld(), 0, 1, numbers={"reward_scale": scale})
    assert out.reward == pytest.approx(0.0605 * scale, rel=1e-4)


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("reading", "paper"),
        ("overflow", "reject"),
        ("adaptive_weights", False),
    ],
)
def test_each_value_of_a_switch_changes_the_reward(serve: Serve, switch: str, value: Any) -> None:
    """One situation where everything matters, and one change at a time."""
    state = {"charge": 60.0, "server": [155.0, 100.0]}
    usual = serve(AigcWorld(), 1, 2, state=state)
    other = serve(AigcWorld(**{switch: value}), 1, 2, state=state)
    assert abs(float((usual.reward - other.reward)[0])) > 1e-3


def test_the_two_observations_differ(
    aigc_params: Callable[..., Any], aigc_state: Callable[..., Any], aigc_inputs: Callable[..., Any]
) -> None:
    params, state, x = aigc_params(), aigc_state(local=3.0), aigc_inputs()
    full = AigcWorld(obs="full").observe(params, state, x)
    paper = AigcWorld(obs="paper").observe(params, state, x)
    assert full.shape == paper.shape == (1, 11)
    names = [AigcWorld(obs=obs).observation_space(params).names for obs in ("full", "paper")]
    assert "local_backlog_gcycles" in names[0]
    assert not {"phase", "local_backlog_gcycles"} & set(names[1])
