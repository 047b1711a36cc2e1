"""Read requests, links and caches from a decision log of the caching world.

A log has rows of ``obs = "full"``. A row shows sizes and work of what each user asks for, which
name the service, and the link of each user to each server; it has no positions. So users are put in
the middle of the cell of their strongest link, with the fading that gives the logged links.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.serve.log_table import LogTable
from edgewright.systems.caching.features import features
from edgewright.systems.caching.latency import server_x_m, spectral_efficiency
from edgewright.systems.caching.records import CachingInputs, CachingParams
from edgewright.systems.caching.structure import CachingStructure


@dataclasses.dataclass(frozen=True)
class LoggedSteps:
    """The steps of a log whose observation has every field, one client after the other.

    Attributes:
        index: ``[n]`` positions in the log.
        rows: ``[n, columns]`` observations in physical units.
        placing: ``[n]`` steps that place services.
        service: ``[n, U]`` requested services from 0.
        epoch: ``[n]`` position here of the step that placed the services of each one; -1 where the
            log does not have it.
    """

    index: np.ndarray
    rows: np.ndarray
    placing: np.ndarray
    service: np.ndarray
    epoch: np.ndarray


def check_observed(world: CachingStructure) -> None:
    """Check that an observation shows all inputs.

    Raises:
        InputError: it does not.
    """
    if world.obs != "full" or world.channel != "chosen":
        message = f"with obs = '{world.obs}', channel = '{world.channel}' a log has no links"
        raise InputError(message, where="world", hint="use obs = 'full' and channel = 'chosen'")


def logged_steps(world: CachingStructure, params: CachingParams, table: LogTable) -> LoggedSteps:
    """Return the steps of a log.

    Raises:
        InputError: the world's observation does not show all inputs.
    """
    check_observed(world)
    names = [feature.name for feature in features(world)]
    rows = np.stack([table.field(name) for name in names], axis=1)
    clients = np.array([row.client for row in table.rows])
    order = np.argsort(clients, kind="stable")
    index = order[np.isfinite(rows[order]).all(axis=1)]
    rows = rows[index]
    placing = rows[:, names.index("placing")] > 0.5
    return LoggedSteps(
        index=index,
        rows=rows,
        placing=placing,
        service=_services(world, params, rows, names),
        epoch=_epochs(placing, clients[index], world.period),
    )


def _services(
    world: CachingStructure, params: CachingParams, rows: np.ndarray, names: list[str]
) -> np.ndarray:
    """Return the service ``[n, U]`` whose size and work are nearest to those of a request."""
    users = range(1, world.users + 1)
    apart = np.zeros((len(rows), world.users, world.services))
    for stem, unit, values in (
        ("input", "mbit", params.input_mbit),
        ("work", "gcycles", params.work_gcycles),
    ):
        asked = rows[:, [names.index(f"{stem}_user_{u}_{unit}") for u in users]]
        known = np.asarray(values, float)
        apart += np.abs(asked[:, :, None] / known - 1.0)
    return np.argmin(apart, axis=-1).astype(np.int32)


def _epochs(placing: np.ndarray, clients: np.ndarray, period: int) -> np.ndarray:
    """Return which step placed the services of each one ``[n]``; -1 where it is not in the log."""
    result, last = np.full(len(placing), -1), -1
    for at in range(len(placing)):
        if at and clients[at] != clients[at - 1]:
            last = -1
        if placing[at]:
            last = at
        elif last >= 0 and at - last < period:
            result[at] = last
    return result


def inputs_of(
    world: CachingStructure, params: CachingParams, steps: LoggedSteps, chosen: np.ndarray
) -> CachingInputs:
    """Return the inputs ``[m, ...]`` of some steps.

    Args:
        chosen: ``[m]`` positions in ``steps``.
    """
    names = [feature.name for feature in features(world)]
    columns = [
        names.index(f"efficiency_user_{u}_server_{m}")
        for u in range(1, world.users + 1)
        for m in range(1, world.servers + 1)
    ]
    links = steps.rows[chosen][:, columns].reshape(-1, world.users, world.servers)
    cell = np.argmax(links, axis=-1)
    shape = (len(chosen), world.users)
    middle = CachingInputs(
        service=jnp.asarray(steps.service[chosen]),
        x_m=jnp.asarray(np.asarray(server_x_m(world, params))[cell], jnp.float32),
        y_m=jnp.full(shape, 0.5 * float(params.cell_m)),
        fading=jnp.ones((*shape, world.servers)),
    )
    plain = jax.vmap(lambda x: spectral_efficiency(world, params, x))(middle)
    ratio = np.expm1(links * math.log(2)) / np.expm1(np.asarray(plain, float) * math.log(2))
    fading = ratio if world.fading == "power" else np.square(ratio)
    return dataclasses.replace(middle, fading=jnp.asarray(fading, jnp.float32))


__all__ = ["LoggedSteps", "check_observed", "inputs_of", "logged_steps"]
