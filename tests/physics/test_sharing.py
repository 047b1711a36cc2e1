"""Square-root shares against hand-worked numbers and a numerical minimiser."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from edgewright.physics import radio, sharing


def test_no_other_shares_are_better():
    rng = np.random.default_rng(0)
    for _ in range(5):
        weight, alone_s = rng.uniform(0.5, 2, 4), rng.uniform(0.01, 3, 4)
        need = np.asarray(sharing.root_need(jnp.asarray(weight), jnp.asarray(alone_s)))

        def cost(split: np.ndarray, weight=weight, alone_s=alone_s) -> float:
            shares = np.exp(split) / np.sum(np.exp(split))
            return float(np.sum(weight * alone_s / shares))

        found = minimize(cost, np.zeros(4), tol=1e-14)
        np.testing.assert_allclose(np.sum(need) ** 2, found.fun, rtol=1e-6)
        np.testing.assert_allclose(cost(np.log(need)), found.fun, rtol=1e-5)


def test_the_link_budget_of_the_article():
    # Section 2 of MRL: 23 dBm, -95 dBm over 10 MHz, 103.8 + 20.9 lg d. At 100 m the loss is
    # 103.8 - 20.9 = 82.9 dB, so 23 - 82.9 + 95 = 35.1 dB and 10 log2(1 + 3236) = 116.6 Mbit/s.
    distance = jnp.array([20.0, 100.0, 200.0, 500.0, 1000.0])
    noise = radio.noise_w(jnp.float32(-165.0), jnp.float32(10.0))
    np.testing.assert_allclose(noise, 10**-12.5, rtol=1e-5)
    ratio = (
        radio.watts(jnp.float32(23.0))
        * radio.power_gain(radio.line_of_sight_loss_db(distance))
        / noise
    )
    np.testing.assert_allclose(10 * np.log10(ratio), [49.7, 35.1, 28.8, 20.5, 14.2], atol=0.06)
    rates = radio.shannon_mbps(jnp.float32(10.0), ratio)
    np.testing.assert_allclose(rates, [165, 117, 96, 68, 48], atol=0.8)
    np.testing.assert_allclose(radio.obstructed_loss_db(jnp.float32(100.0)), 107.9, rtol=1e-6)
