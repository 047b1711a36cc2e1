"""Compute the energy of a task in joules. Equations (11), (12), (14) of SE-PPO."""

from __future__ import annotations

from jaxtyping import Array, Float

from edgewright.core.units import CYCLES_PER_GCYCLE, HZ_PER_GHZ

Number = Float[Array, "..."]


def dvfs_j(work_gcycles: Number, speed_ghz: Number, kappa: Number) -> Number:
    """Return ``kappa f^2 C_act``: computing energy under voltage scaling. Equations (11), (14).

    Args:
        work_gcycles: work of the task [G-cycles].
        speed_ghz: clock of the processor [GHz].
        kappa: effective switched capacitance [J s^2 / cycle^3], 1e-27 in QECO (IEEE TNSE 2025).
    """
    cubic = kappa * (speed_ghz * HZ_PER_GHZ) * (speed_ghz * HZ_PER_GHZ)
    return cubic * work_gcycles * CYCLES_PER_GCYCLE


def per_cycle_j(work_gcycles: Number, energy_j_per_gcycle: Number) -> Number:
    """Return computing energy at a constant cost per cycle, for many-core servers."""
    return energy_j_per_gcycle * work_gcycles


def transfer_j(up_s: Number, down_s: Number, transmit_w: Number, receive_w: Number) -> Number:
    """Return the radio's energy ``P_tx T_up + P_rx T_down``.

    SE-PPO equation (12) charges the transmit power for both directions although its parameter table
    has a receive power: set ``receive_w = transmit_w`` for the letter of the paper.
    """
    return transmit_w * up_s + receive_w * down_s
