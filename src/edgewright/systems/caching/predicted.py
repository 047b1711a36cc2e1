"""Compute the latency and the reward of the logged decisions of the caching world."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array
from edgewright.physics import caching
from edgewright.serve.log_table import LogTable
from edgewright.systems.caching.export import row_known
from edgewright.systems.caching.latency import latency
from edgewright.systems.caching.logged import LoggedSteps, logged_steps
from edgewright.systems.caching.records import CachingParams
from edgewright.systems.caching.world import CachingWorld


def latency_s(world: CachingWorld, params: CachingParams, table: LogTable) -> np.ndarray:
    """Return the mean latency of the users ``[n]`` [s]; 0 in steps that place services."""
    return _computed(world, params, table)[0]


def reward(world: CachingWorld, params: CachingParams, table: LogTable) -> np.ndarray:
    """Return the reward ``[n]`` of the logged decisions with ``objective = "latency"``.

    NaN where a row lacks fields, or the step that placed its services is not in the log.
    """
    mean_s, fetch_s, steps = _computed(world, params, table)
    result = np.full(len(table), np.nan)
    scale = world.period / world.slots_per_epoch
    paid = -(mean_s + float(params.switch_weight) * fetch_s) * scale
    result[steps.index] = np.where(steps.placing, 0.0, paid[steps.index])
    return result


def _computed(
    world: CachingWorld, params: CachingParams, table: LogTable
) -> tuple[np.ndarray, np.ndarray, LoggedSteps]:
    """Return mean latency ``[n]`` [s], fetching time of the epoch ``[n]`` [s], and the steps."""
    steps = logged_steps(world, params, table)
    mean_s, fetch = (np.full(len(table), np.nan) for _ in range(2))
    if len(steps.index):
        used = LogTable([table.rows[n] for n in steps.index])
        names = ("server", "bandwidth", "speed") if world.shares == "action" else ("server",)
        given = {name: used.vector(name, world.users) for name in names}
        values, caches = _of_rows(world, params, jnp.asarray(steps.rows, jnp.float32), given)
        mean_s[steps.index] = np.where(steps.placing, 0.0, np.asarray(values))
        there = steps.epoch >= 0
        cached, rate = np.asarray(caches), params.backhaul_mib_s
        cost = jax.vmap(lambda a, b: caching.fetch_s(a, b, params.service_mib, rate))
        spent = cost(jnp.asarray(cached[steps.epoch]), jnp.asarray(cached))
        fetch[steps.index] = np.where(there, np.asarray(spent), np.nan)
    return mean_s, fetch, steps


@functools.partial(jax.jit, static_argnames="world")
def _of_rows(
    world: CachingWorld, params: CachingParams, rows: Array, given: dict[str, Any]
) -> tuple[Array, Array]:
    """Return the mean latency ``[n]`` of rows, and the caches ``[n, M, K]`` that they show."""

    def one(row: Array, action: dict[str, Array]) -> tuple[Array, Array]:
        known, asked = row_known(world, params, row)
        weights = None
        if world.shares == "action":
            weights = (action["bandwidth"], action["speed"])
        served = latency(world, params, known.state, asked, action["server"], weights)
        return jnp.mean(served.total_s), known.state.cached

    return jax.vmap(one)(rows, given)


__all__ = ["latency_s", "reward"]
