"""Work, computing time and joules: the table of section 4 of the AIGC specification."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.physics.compute import actual_work_gcycles, service_s
from edgewright.physics.energy import dvfs_j, per_cycle_j, transfer_j

LADDER = jnp.array([0.5, 1.0, 2.0])
MEAN = jnp.float32(5.5)
positive = st.floats(0.01, 100.0)


def test_work_of_each_quality() -> None:
    # 5.5 x (0.5, 1, 2)
    np.testing.assert_allclose(actual_work_gcycles(MEAN, LADDER), [2.75, 5.5, 11.0], rtol=1e-6)


def test_service_times_of_section_4() -> None:
    work = actual_work_gcycles(MEAN, LADDER)
    # local: 2.75 / 2 = 1.375, 5.5 / 2 = 2.75, 11 / 2 = 5.5 s
    np.testing.assert_allclose(service_s(work, jnp.float32(2.0)), [1.375, 2.75, 5.5], rtol=1e-6)
    np.testing.assert_allclose(service_s(work, jnp.float32(2.0)), [1.4, 2.8, 5.5], atol=0.051)
    # edge: 2.75 / 16 = 0.171875, 5.5 / 16 = 0.34375, 11 / 16 = 0.6875 s
    np.testing.assert_allclose(
        service_s(work, jnp.float32(16.0)), [0.171875, 0.34375, 0.6875], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("kappa", "joules"),
    [
        # 1e-27 x (2e9)^2 = 4e-9 J per cycle; x 2.75e9, 5.5e9, 11e9 cycles
        (1e-27, [11.0, 22.0, 44.0]),
        (1e-28, [1.1, 2.2, 4.4]),
    ],
)
def test_device_energy_of_section_4(kappa: float, joules: list[float]) -> None:
    made = dvfs_j(actual_work_gcycles(MEAN, LADDER), jnp.float32(2.0), jnp.float32(kappa))
    np.testing.assert_allclose(made, joules, rtol=1e-5)


def test_device_power_is_cubic() -> None:
    # 1 s at 2 GHz is 2 G-cycle: 1e-27 x (2e9)^3 = 8 W; at 16 GHz 1e-27 x (16e9)^3 = 4096 W
    assert dvfs_j(2.0, 2.0, 1e-27) == pytest.approx(8.0)
    assert dvfs_j(16.0, 16.0, 1e-27) == pytest.approx(4096.0)
    # the medium task on the aggregate: 5.5e9 x 2.56e-7 = 1408 J
    assert dvfs_j(jnp.float32(5.5), jnp.float32(16.0), jnp.float32(1e-27)) == pytest.approx(1408.0)


def test_edge_energy_of_section_4() -> None:
    # 2e-9 J per cycle = 2 J per G-cycle: 5.5, 11, 22 J
    made = per_cycle_j(actual_work_gcycles(MEAN, LADDER), jnp.float32(2.0))
    np.testing.assert_allclose(made, [5.5, 11.0, 22.0], rtol=1e-6)


def test_transfer_energy_by_hand() -> None:
    # 2 W x 1.4 s = 2.8 J (section 4 leaves out the 10 ms and the download)
    assert transfer_j(1.4, 0.0, 2.0, 0.5) == pytest.approx(2.8)
    # 2 W x 1.41 s + 0.5 W x 0.09 s = 2.82 + 0.045 = 2.865 J
    assert transfer_j(1.41, 0.09, 2.0, 0.5) == pytest.approx(2.865)
    # the letter of (12), 2 W x (1.41 + 0.09) s = 3 J
    assert transfer_j(1.41, 0.09, 2.0, 2.0) == pytest.approx(3.0)


def test_energies_agree_with_numpy() -> None:
    rng = np.random.default_rng(1)
    work, speed = rng.uniform(0.1, 20, 50), rng.uniform(0.5, 20, 50)
    kappa = 10 ** rng.uniform(-29, -26, 50)
    made = dvfs_j(*(jnp.asarray(a, jnp.float32) for a in (work, speed, kappa)))
    np.testing.assert_allclose(made, kappa * (speed * 1e9) ** 3 * (work / speed), rtol=1e-5)


@given(work=positive, extra=positive, speed=positive)
def test_more_work_takes_longer_and_costs_more(work: float, extra: float, speed: float) -> None:
    assert service_s(work + extra, speed) > service_s(work, speed)
    assert dvfs_j(work + extra, speed, 1e-27) > dvfs_j(work, speed, 1e-27)
    assert per_cycle_j(work + extra, 2.0) > per_cycle_j(work, 2.0)


@given(work=positive, speed=positive, faster=st.floats(1.01, 4.0))
def test_speed_buys_time_with_energy(work: float, speed: float, faster: float) -> None:
    assert service_s(work, speed * faster) < service_s(work, speed)
    ratio = dvfs_j(work, speed * faster, 1e-27) / dvfs_j(work, speed, 1e-27)
    assert ratio == pytest.approx(faster**2, rel=1e-6)
