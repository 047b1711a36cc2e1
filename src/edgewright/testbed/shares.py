"""Divide requests among locations and levels by a linear program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

HEADROOM = 0.85
"""Share of a location's time that may be used; queues grow without end at 1."""


def best_shares(
    score: Sequence[float], service_s: Sequence[Sequence[float]], rate_hz: float
) -> list[list[float]]:
    """Return the shares ``[1 + N, K]`` with the best mean quality that the locations can carry.

    ``max sum x_mk q_k`` with ``rate sum_k x_mk s_mk <= 0.85`` for each location and ``sum x = 1``:
    the allocation of Proteus (S. Ahmad et al., "Proteus: A High-Throughput Inference-Serving System
    with Accuracy Scaling", ASPLOS 2024) without its batches, in which the fractions may be real, so
    that a linear program is enough. Where the rate is too high for any, the load is shared in
    proportion to speed at the lowest level.

    Args:
        score: ``[K]`` quality.
        service_s: ``[1 + N, K]`` mean time of service.
    """
    times = np.asarray(service_s, float)
    locations, levels = times.shape
    gain = np.tile(np.asarray(score, float), locations)
    limits = np.zeros((locations, locations * levels))
    for location in range(locations):
        limits[location, location * levels : (location + 1) * levels] = rate_hz * times[location]
    solved = linprog(
        -gain,
        A_ub=limits,
        b_ub=np.full(locations, HEADROOM),
        A_eq=np.ones((1, locations * levels)),
        b_eq=[1.0],
        bounds=(0.0, 1.0),
        method="highs",
    )
    if not solved.success:
        speeds = 1.0 / times[:, 0]
        lowest = np.zeros_like(times)
        lowest[:, 0] = speeds / speeds.sum()
        return lowest.tolist()
    shares = np.clip(solved.x, 0.0, 1.0).reshape(locations, levels)
    return np.round(shares, 6).tolist()
