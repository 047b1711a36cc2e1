"""Compute the transmission time of data. Equations (5), (6), (9) of SE-PPO."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from edgewright.core.units import MBIT_PER_MB

Number = Float[Array, "..."]


def transmission_s(data_mb: Number, rate_mbps: Number, network_delay_s: Number) -> Number:
    """Return the time to send ``data_mb`` [MB] at ``rate_mbps`` [Mbit/s], in seconds.

    These are SE-PPO equations (5) and (6), ``T = D / r``, with 1 MB = 8 Mbit. The constant delay of
    the network (10 ms in the paper's parameter table) is added to each direction.
    """
    return MBIT_PER_MB * data_mb / rate_mbps + network_delay_s


def shannon_mbps(bandwidth_mhz: Number, signal_to_noise: Number) -> Number:
    """Return the capacity ``B log2(1 + P |h|^2 / sigma^2)`` in Mbit/s. SE-PPO equation (9).

    The paper samples its "bandwidth" in Mbit/s, so its worlds use the sampled rate directly. Far
    below a ratio of 1 the sum ``1 + ratio`` would lose the ratio in float32, ``log1p`` does not.
    """
    return bandwidth_mhz / math.log(2) * jnp.log1p(signal_to_noise)


def watts(power_dbm: Number) -> Number:
    """Return the power of ``power_dbm`` [dBm] in watts."""
    return 10.0 ** ((power_dbm - 30.0) / 10.0)


def line_of_sight_loss_db(distance_m: Number) -> Number:
    """Return ``103.8 + 20.9 lg d`` [dB] with ``d`` in km: MRL's path loss.

    3GPP TR 36.814, table A.2.1.1.2-3: pico cell at 2 GHz, line of sight.
    """
    return 103.8 + 20.9 * jnp.log10(distance_m / 1000.0)


def obstructed_loss_db(distance_m: Number) -> Number:
    """Return ``145.4 + 37.5 lg d`` [dB] with ``d`` in km: the same table without line of sight."""
    return 145.4 + 37.5 * jnp.log10(distance_m / 1000.0)


def power_gain(loss_db: Number) -> Number:
    """Return the linear power gain ``10^(-H/10)`` of a loss ``H`` [dB]."""
    return 10.0 ** (-loss_db / 10.0)


def noise_w(density_dbm_hz: Number, bandwidth_mhz: Number) -> Number:
    """Return the noise of a whole band in watts: its density [dBm/Hz] times the band.

    -165 dBm/Hz (thermal -174 and a noise figure of 9 dB) over 10 MHz are MRL's -95 dBm.
    """
    return watts(density_dbm_hz) * bandwidth_mhz * 1e6


def macro_loss_db(distance_m: Number) -> Number:
    """Return ``128.1 + 37.6 lg d`` [dB] with ``d`` in km, the path loss of HADRL's code.

    3GPP TR 36.814, table A.2.1.1.2-3: macro cell at 2 GHz, distance-dependent loss.
    """
    return 128.1 + 37.6 * jnp.log10(distance_m / 1000.0)
