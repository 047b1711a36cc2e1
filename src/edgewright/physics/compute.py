"""Compute the work of a generative task and its processing time. Equations (1), (3), (8)."""

from __future__ import annotations

from jaxtyping import Array, Float

Number = Float[Array, "..."]


def actual_work_gcycles(work_gcycles: Number, multiplier: Number) -> Number:
    """Return the work of a task at a quality level, ``C_act = C omega_q``. SE-PPO equation (1)."""
    return work_gcycles * multiplier


def service_s(work_gcycles: Number, speed_ghz: Number) -> Number:
    """Return the computing time ``C_act / f`` in seconds. SE-PPO equations (3) and (8)."""
    return work_gcycles / speed_ghz
