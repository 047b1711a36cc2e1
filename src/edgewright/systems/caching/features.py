"""The feature tables of the caching world, in physical units.

The decision of an epoch looks at the features of ``UPPER``, that of a slot at those of ``LOWER``;
``obs = "paper"`` shows those of the published code under the same two headings.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import jax.numpy as jnp

from edgewright.core.features import Feature
from edgewright.core.records import Array
from edgewright.systems.caching.latency import Task, task
from edgewright.systems.caching.records import CachingInputs, CachingParams, CachingState
from edgewright.systems.caching.structure import CachingStructure


@dataclasses.dataclass(frozen=True)
class Known:
    """Everything that the features of one step are computed from."""

    world: CachingStructure
    params: CachingParams
    state: CachingState
    x: CachingInputs
    task: Task


@dataclasses.dataclass(frozen=True)
class Group:
    """Columns of one quantity, one for each entry of its axes.

    Attributes:
        stem: begins the name of every column.
        axes: of ``("server", "user", "service")``; none for a single column.
        unit: e.g. ``"Mbit"``; its lower-case form ends the names.
        about: what it is, in a few words.
        scale: a network takes ``value / scale``.
        high: upper bound that the world guarantees; the lower one is 0.
        get: (:class:`Known`) to the values, in the shape of the axes.
        low: lower bound that the world guarantees.
    """

    stem: str
    axes: tuple[str, ...]
    unit: str
    about: str
    scale: float
    high: float
    get: Callable[[Known], Array]
    low: float = 0.0

    def columns(self, world: CachingStructure) -> list[Feature]:
        """Return the description of every column."""
        sizes = [getattr(world, f"{axis}s") for axis in self.axes]
        ending = f"_{self.unit.lower()}" if self.unit else ""
        names = []
        for index in itertools.product(*(range(size) for size in sizes)):
            entry = "".join(
                f"_{axis}_{one + 1}" for axis, one in zip(self.axes, index, strict=True)
            )
            names.append(f"{self.stem}{entry}{ending}")
        return [
            Feature(name, self.unit, self.about, self.scale, low=self.low, high=self.high)
            for name in names
        ]


_INF = float("inf")
_MS, _SERVER, _US, _USER = ("server", "service"), ("server",), ("user", "server"), ("user",)

# fmt: off
UPPER = (
    Group("cached", _MS, "", "the server holds the service", 1.0, 1.0,
          lambda known: known.state.cached),
    Group("demand", _MS, "", "requests of a slot from the cell, a running average", 3.0, _INF,
          lambda known: known.state.demand),
)
LOWER = (
    Group("available", _US, "", "the server holds what the user asks for", 1.0, 1.0,
          lambda known: known.task.available),
    Group("input", _USER, "Mbit", "size of the user's task", 20.0, _INF,
          lambda known: known.task.input_mbit),
    Group("work", _USER, "Gcycles", "work of the user's task", 2.0, _INF,
          lambda known: known.task.work_gcycles),
    Group("efficiency", _US, "", "bit/s/Hz of the link to the server", 15.0, _INF,
          lambda known: known.task.efficiency),
    Group("backlog", _SERVER, "s", "time until the server is free", 2.0, _INF,
          lambda known: known.state.backlog_gcycles / known.params.server_ghz),
)
PHASE = (
    Group("placing", (), "", "1 where this step places services", 1.0, 1.0,
          lambda known: known.world.placing(known.state.slot)),
)

PAPER_UPPER = (
    UPPER[0],
    Group("gain", ("service",), "", "inverted 'gain' of a service", 1.0, _INF,
          lambda known: known.state.gain, low=-_INF),
    Group("popularity", _MS, "", "inverted count of served requests", 1.0, _INF,
          lambda known: inverted(known.state.counts), low=-_INF),
    Group("room", _SERVER, "Gbit", "what is left of the cache", 1.0, _INF,
          lambda known: 8.0 * 2.0**30 / 1e9 * room_gib(known), low=-_INF),
)
PAPER_LOWER = (
    Group("space", _SERVER, "GiB", "what is left of the cache", 1.0, _INF,
          lambda known: room_gib(known), low=-_INF),
    Group("band", _SERVER, "", "'remaining bandwidth' [Hz / 1e5]", 1.0, _INF,
          lambda known: known.state.leftover_mhz * 10.0, low=-_INF),
    Group("speed", _SERVER, "", "'remaining speed' [Hz / 1e9]", 1.0, _INF,
          lambda known: known.state.leftover_ghz, low=-_INF),
    Group("request", _USER, "", "number of the requested service", 1.0, _INF,
          lambda known: known.x.service + 1.0),
    Group("input", _USER, "Mbit", "size of the user's task", 1.0, _INF,
          lambda known: known.task.input_mbit),
    Group("work", _USER, "Gcycles", "work of the user's task", 1.0, _INF,
          lambda known: known.task.work_gcycles),
)
# fmt: on


def room_gib(known: Known) -> Array:
    """Return what is left of every cache ``[M]`` [GiB]; below 0 if it holds more than it can."""
    return known.params.cache_gib - known.state.cached @ known.params.service_mib / 1024.0


def inverted(counts: Array) -> Array:
    """Return ``(max n - n) / (max n - min' n)``, the published normalisation: the busiest is 0.

    ``min'`` is the least count, or 0.1 where that is 0, so the result may exceed 1. Where all
    counts are equal the published formula divides 0 by 0; here it is 0.
    """
    most, least = jnp.max(counts), jnp.min(counts)
    width = most - jnp.where(least == 0, 0.1, least)
    return jnp.where(width != 0, (most - counts) / jnp.where(width != 0, width, 1.0), 0.0)


def groups(world: CachingStructure) -> tuple[Group, ...]:
    """Return the groups of columns of an observation, in their order."""
    if world.obs == "paper":
        return (*PAPER_UPPER, *PAPER_LOWER, *PHASE)
    return (*UPPER, *LOWER, *PHASE)


def stems(world: CachingStructure) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the stems of the features that the decision of an epoch and that of a slot see."""
    if world.obs == "paper":
        upper, lower = PAPER_UPPER, (PAPER_UPPER[0], *PAPER_LOWER)
    else:
        upper, lower = UPPER, LOWER
    return tuple(group.stem for group in upper), tuple(group.stem for group in lower)


def features(world: CachingStructure) -> tuple[Feature, ...]:
    """Return the description of every column of an observation."""
    return tuple(column for group in groups(world) for column in group.columns(world))


def observed(
    world: CachingStructure, params: CachingParams, state: CachingState, x: CachingInputs
) -> Array:
    """Return the observation ``[columns]`` in physical units, float32."""
    known = Known(world, params, state, x, task(world, params, state, x))
    values = [jnp.asarray(group.get(known), jnp.float32).reshape(-1) for group in groups(world)]
    return jnp.concatenate(values)
