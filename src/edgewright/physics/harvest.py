"""Compute the bits per second of devices on harvested energy, computed locally or offloaded.

Bi and Zhang (IEEE TWC 17(6), 2018), as DROO (Huang, Bi, Zhang, IEEE TMC 19(11), 2020) uses it.
A share ``a`` of each frame charges all devices by radio. A device that offloads then gets a share
``tau`` of airtime. Every other device computes with the energy that it harvested.

    local   r = (mu P)^(1/3) / phi (h / k)^(1/3) a^(1/3)
    away    r = B tau / (v ln 2) ln(1 + mu P h^2 a / (tau N0))
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Gains = Float[Array, " n"]

HARVESTED_W = 0.7 * 3.0  # mu P: efficiency and power of the charger (DROO, section 6)
CYCLES_PER_BIT = 100.0  # phi
SWITCHED_CAPACITANCE = 1e-26  # k
BAND_HZ, OVERHEAD, NOISE_W = 2e6, 1.1, 1e-10  # B, v, N0

_LOCAL_MBPS = HARVESTED_W ** (1 / 3) / CYCLES_PER_BIT / SWITCHED_CAPACITANCE ** (1 / 3) / 1e6
_AWAY_MBPS = BAND_HZ / (OVERHEAD * math.log(2)) / 1e6
_BISECTIONS, _NEWTON_STEPS = 40, 12


def _convex_part(z: Array) -> Array:
    """Return ``e^(-z) + z - 1``; for small ``z`` by its series, where the sum has no digits."""
    series = jnp.square(z) * (1 / 2 - z * (1 / 6 - z * (1 / 24 - z * (1 / 120 - z / 720))))
    return jnp.where(z < 0.3, series, jnp.expm1(-z) + z)


def best_rates_mbps(weight: Gains, gain: Gains, offload: Gains) -> Gains:
    """Return the rate [Mbit/s] of each device under the best shares for these decisions.

    The weighted sum of rates is concave in the shares. With ``r = mu P h^2 a / (tau N0)``, the
    signal-to-noise ratio of a device that offloads, the price ``nu`` of time fixes ``r`` by
    ``ln(1 + r) - r / (1 + r) = nu / (w B / (v ln 2))``, then ``a`` by the airtimes adding up to 1,
    and ``nu`` is where charging longer is worth as much: a bisection, since its worth falls as
    ``nu`` grows.
    """
    away = offload > 0
    local = jnp.sum(jnp.where(away, 0.0, weight * _LOCAL_MBPS * jnp.cbrt(gain)))
    carried = HARVESTED_W / NOISE_W * jnp.square(gain)

    def ratio(price: Array) -> Array:
        worth = price / (weight * _AWAY_MBPS)

        def newton(_: int, z: Array) -> Array:
            return z - (_convex_part(z) - worth) / jnp.maximum(-jnp.expm1(-z), 1e-12)

        above = worth + jnp.sqrt(2.0 * worth)  # the root is below it, for every worth
        return jnp.expm1(jax.lax.fori_loop(0, _NEWTON_STEPS, newton, above))

    def charging(price: Array) -> tuple[Array, Array]:
        reached = ratio(price)
        return 1.0 / (1.0 + jnp.sum(jnp.where(away, carried / reached, 0.0))), reached

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        price = jnp.exp(middle)
        share, reached = charging(price)
        more = local / 3.0 * share ** (-2 / 3) + jnp.sum(
            jnp.where(away, weight * _AWAY_MBPS * carried / (1.0 + reached), 0.0)
        )
        up = more > price
        return jnp.where(up, middle, low), jnp.where(up, high, middle)

    ends = (jnp.float32(math.log(1e-5)), jnp.float32(math.log(1e4)))
    low, _ = jax.lax.fori_loop(0, _BISECTIONS, halve, ends)
    share, reached = charging(jnp.exp(low))
    airtime = carried * share / reached
    return jnp.where(
        away,
        _AWAY_MBPS * airtime * jnp.log1p(reached),
        _LOCAL_MBPS * jnp.cbrt(gain) * jnp.cbrt(share),
    )
