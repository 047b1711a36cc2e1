"""Radio: how long data are on the air. Equations (5), (6), (9) of SE-PPO."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from edgewright.core.units import MBIT_PER_MB

Number = Float[Array, "..."]


def transmission_s(data_mb: Number, rate_mbps: Number, network_delay_s: Number) -> Number:
    """Return the time to send ``data_mb`` [MB] at ``rate_mbps`` [Mbit/s], in seconds.

    SE-PPO equations (5) and (6), ``T = D / r``, with 1 MB = 8 Mbit and the constant delay of the
    network (10 ms in the paper's parameter table) added to each direction.
    """
    return MBIT_PER_MB * data_mb / rate_mbps + network_delay_s


def shannon_mbps(bandwidth_mhz: Number, signal_to_noise: Number) -> Number:
    """Return the capacity ``B log2(1 + P |h|^2 / sigma^2)`` in Mbit/s. SE-PPO equation (9).

    The paper samples its "bandwidth" in Mbit/s, so its worlds use the sampled rate directly.
    """
    return bandwidth_mhz * jnp.log2(1 + signal_to_noise)
