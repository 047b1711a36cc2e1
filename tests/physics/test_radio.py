"""Time on the air: equations (5), (6), (9) of SE-PPO."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.physics.radio import shannon_mbps, transmission_s

sizes = st.floats(0.0, 50.0)
rates = st.floats(1.0, 1000.0)


def test_mean_upload_by_hand() -> None:
    # 17.5 MB x 8 = 140 Mbit; 140 / 100 Mbit/s = 1.4 s; + 0.01 s of network = 1.41 s
    assert transmission_s(jnp.float32(17.5), jnp.float32(100.0), jnp.float32(0.01)) == (
        pytest.approx(1.41)
    )


def test_download_of_the_result_by_hand() -> None:
    # 1 MB x 8 = 8 Mbit; 8 / 100 = 0.08 s; + 0.01 s = 0.09 s
    assert transmission_s(jnp.float32(1.0), jnp.float32(100.0), jnp.float32(0.01)) == (
        pytest.approx(0.09)
    )


@pytest.mark.parametrize(
    ("data_mb", "rate_mbps", "seconds"),
    [
        (10.0, 150.0, 0.533333),  # 80 Mbit / 150: the shortest upload of section 3, number 3
        (25.0, 50.0, 4.0),  # 200 Mbit / 50: the longest
        (0.0, 50.0, 0.0),
    ],
)
def test_extreme_uploads(data_mb: float, rate_mbps: float, seconds: float) -> None:
    assert transmission_s(data_mb, rate_mbps, 0.0) == pytest.approx(seconds, abs=1e-6)


def test_transmission_agrees_with_numpy() -> None:
    rng = np.random.default_rng(0)
    data, rate = rng.uniform(0, 30, 100), rng.uniform(1, 200, 100)
    made = transmission_s(jnp.asarray(data), jnp.asarray(rate), jnp.float32(0.02))
    np.testing.assert_allclose(made, data * 1e6 * 8 / (rate * 1e6) + 0.02, rtol=1e-5)


@given(data=sizes, rate=rates, more=st.floats(0.0, 500.0))
def test_more_bandwidth_never_raises_latency(data: float, rate: float, more: float) -> None:
    assert transmission_s(data, rate + more, 0.01) <= transmission_s(data, rate, 0.01)


@given(data=sizes, extra=st.floats(0.0, 50.0), rate=rates)
def test_more_data_never_lowers_latency(data: float, extra: float, rate: float) -> None:
    assert transmission_s(data + extra, rate, 0.01) >= transmission_s(data, rate, 0.01)


def test_capacity_by_hand() -> None:
    # 20 MHz at a ratio of 31: 20 log2(32) = 100 Mbit/s; at ratio 1: 20 log2(2) = 20; at 0: 0
    made = shannon_mbps(jnp.full(3, 20.0), jnp.array([31.0, 1.0, 0.0]))
    np.testing.assert_allclose(made, [100.0, 20.0, 0.0], rtol=1e-6)
