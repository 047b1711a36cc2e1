"""Reduce a run to the points of its figures, few enough for a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewright.testbed.blocks import TESTBED, WORLD, Series
from edgewright.testbed.fit import Fitted
from edgewright.testbed.objective import Arrival, Outcome

MAX_POINTS = 400
"""Services that are drawn; of more, they are taken evenly."""

SHARES = np.linspace(0.0, 1.0, 101)
"""Shares of the answers at which delays are drawn."""


def points(
    fitted: Fitted,
    serviced: Sequence[tuple[Arrival, Outcome]],
    true_mbps: Sequence[float],
    ladder: Mapping[str, Mapping[str, Series]],
    names: Sequence[str],
) -> dict[str, Any]:
    """Return what figures 1 and 2 are drawn from.

    Args:
        serviced: answers whose time of service is known.
        true_mbps: rates of the link while it was measured.
        ladder: numbers by rung and policy.
        names: of the policies.

    Returns:
        ``services`` (location, calibrated and actual seconds of each), ``bandwidth`` (quantiles of
        what was ``measured`` and of what the ``link`` had, in Mbit/s) and ``delays`` (quantiles on
        both sides for each policy, in seconds). Quantiles are at :data:`SHARES`.
    """
    step = max(1, -(-len(serviced) // MAX_POINTS))
    return {
        "services": [
            {
                "location": one.location,
                "calibrated_s": fitted.service_s(one.location, one.level, arrival.size),
                "actual_s": one.service_s,
            }
            for arrival, one in serviced[::step]
        ],
        "bandwidth": {"measured": _quantiles(fitted.mbps), "link": _quantiles(true_mbps)},
        "delays": {
            name: {rung: _quantiles(ladder[rung][name].delay_s) for rung in (TESTBED, WORLD)}
            for name in names
        },
    }


def _quantiles(values: Sequence[float] | np.ndarray) -> list[float]:
    numbers = np.asarray(values, float)
    numbers = numbers[np.isfinite(numbers)]
    return np.quantile(numbers, SHARES).tolist() if len(numbers) else []
