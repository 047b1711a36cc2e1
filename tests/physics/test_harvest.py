"""Devices on harvested energy: hand-worked rates, and shares against a general solver."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from edgewright.physics.harvest import best_rates_mbps

P, PHI, K, B, V, N0 = 2.1, 100.0, 1e-26, 2e6, 1.1, 1e-10
"""DROO, section 6: harvested power, cycles per bit, capacitance, band, overhead, noise."""


def test_alone_and_local_all_time_charges_by_hand():
    # (2.1 W * 1e-6 / 1e-26)^(1/3) Hz = 5.943922e6 Hz, at 100 cycles per bit
    found = best_rates_mbps(jnp.ones(1), jnp.array([1e-6]), jnp.zeros(1))
    assert float(found[0]) == pytest.approx(0.05943922, rel=1e-5)


def test_a_device_that_is_charged_better_computes_more_by_the_cube_root():
    near, far = (
        float(best_rates_mbps(jnp.ones(1), jnp.array([h]), jnp.zeros(1))[0]) for h in (8e-6, 1e-6)
    )
    assert near == pytest.approx(2 * far, rel=1e-5)


def local(gain, charging):
    return (P * gain * charging / K) ** (1 / 3) / PHI


def away(gain, charging, airtime):
    return B * airtime / (V * np.log(2)) * np.log1p(P * gain**2 * charging / (airtime * N0))


@pytest.mark.parametrize("seed", range(4))
def test_no_solver_finds_better_shares(seed):
    rng = np.random.default_rng(seed)
    gain = rng.uniform(0.3, 4, 3) * 1e-6
    weight = rng.choice([1.0, 1.5], 3)
    action = [np.array(a) for a in ([1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1])][seed]
    sent = np.flatnonzero(action)

    def loss(shares):
        rates = local(gain, shares[0])
        rates[sent] = away(gain[sent], shares[0], shares[1:])
        return -np.sum(weight * rates) / 1e6

    start = np.full(1 + len(sent), 1 / (1 + len(sent)))
    whole = {"type": "eq", "fun": lambda shares: 1 - shares.sum()}
    best = minimize(
        loss, start, bounds=[(1e-6, 1)] * len(start), constraints=[whole],
        options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    found = best_rates_mbps(*(jnp.asarray(x, jnp.float32) for x in (weight, gain, action)))
    ours = float(jnp.sum(jnp.asarray(weight, jnp.float32) * found))
    assert ours == pytest.approx(-best.fun, rel=2e-4)
