"""Compute: work of a generative task and how long a processor takes. Equations (1), (3), (8)."""

from __future__ import annotations

from jaxtyping import Array, Float

from edgewright.core.units import MBIT_PER_MB

Number = Float[Array, "..."]


def actual_work_gcycles(work_gcycles: Number, multiplier: Number) -> Number:
    """Return the work of a task at a quality level, ``C_act = C omega_q``. SE-PPO equation (1)."""
    return work_gcycles * multiplier


def density_work_gcycles(density_gcycles_per_bit: Number, input_mb: Number) -> Number:
    """Return ``D C`` in G-cycles, the product written in SE-PPO equations (3), (8), (11), (14).

    With the paper's numbers (17.5 MB, 5.5 G-cycles per bit) it is 7.7e8 G-cycles, twelve years of a
    2 GHz processor: the parameter table means total cycles. Kept for the ``work="density"`` switch.
    """
    return density_gcycles_per_bit * input_mb * MBIT_PER_MB * 1e6


def service_s(work_gcycles: Number, speed_ghz: Number) -> Number:
    """Return the computing time ``C_act / f`` in seconds. SE-PPO equations (3) and (8)."""
    return work_gcycles / speed_ghz
