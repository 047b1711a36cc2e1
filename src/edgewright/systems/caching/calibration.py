"""Fit the law of requests of a caching scenario to a decision log."""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.serve.log_table import LogTable
from edgewright.specs.calibration import Calibration, Fit
from edgewright.specs.fitting import distances
from edgewright.systems.caching.build import build_params, world_of
from edgewright.systems.caching.logged import logged_steps
from edgewright.systems.caching.popularity_fit import fit_requests
from edgewright.systems.caching.predicted import latency_s
from edgewright.systems.caching.schema import CachingScenario

MIN_ROWS = 30
"""Fewer steps fit nothing."""

LEFT = {
    "streams.x_m": "a log has links, not positions",
    "streams.fading": "a log has links, in which path loss and fading are one",
    "params": "an outcome has the mean latency of all users, not its parts",
}
"""Why the rest of a scenario is left as it is."""


def calibrate(scenario: CachingScenario, table: LogTable) -> Calibration:
    """Return the law of the requests as a log shows it, and the gap of the latency.

    Args:
        scenario: whose other numbers are left.
        table: decisions with their observations; outcomes report ``latency_s``, the mean of users.
    """
    world, params = world_of(scenario), build_params(scenario)
    steps = logged_steps(world, params, table)
    left = dict(LEFT)
    if len(steps.index) < MIN_ROWS:
        left["streams.service"] = f"fewer than {MIN_ROWS} steps have every field"
        return Calibration((), left, {})
    fits: list[Fit] = []
    if scenario.streams.service.kind == "recorded_services":
        left["streams.service"] = "recorded requests are not fitted"
    else:
        counts = np.stack([np.bincount(row, minlength=world.services) for row in steps.service])
        law, loss = fit_requests(counts)
        before = dataclasses.asdict(scenario.streams.service)
        measure = "negative log-likelihood of a request [nats]"
        fits.append(Fit("streams.service", before, law, int(counts.sum()), measure, loss))
    logged, forecast = table.metric("latency_s"), latency_s(world, params, table)
    known = np.isfinite(logged) & np.isfinite(forecast) & (forecast > 0)
    gap = {}
    if known.sum() >= MIN_ROWS:
        apart = distances(forecast[known], logged[known])
        gap["latency_s"] = {f"{w}_{k}": v for w in ("before", "after") for k, v in apart.items()}
    return Calibration(tuple(fits), left, gap)


__all__ = ["calibrate"]
