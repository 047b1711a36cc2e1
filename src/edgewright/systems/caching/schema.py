"""Define the tables of a caching scenario, with sizes, switches, services and requests."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from edgewright.core.settings import MAX_COUNT
from edgewright.specs.processes import (
    CategoricalSpec,
    ProcessSpec,
    ReflectedWalkSpec,
    laws,
    process_problems,
)
from edgewright.specs.schema import (
    Count,
    Inconsistency,
    NonNegative,
    Positive,
    Positives,
    Real,
    Scenario,
    Share,
)

EachService: TypeAlias = Annotated[list[Positive], Field(min_length=1)]
Cell: TypeAlias = Annotated[int, Field(ge=1, le=MAX_COUNT)]

OF_SERVERS = ("server_ghz", "bandwidth_mhz", "cache_gib")
OF_SERVICES = ("service_mib", "input_mbit", "work_gcycles", "tolerance_s")
REQUESTS = ("zipf", "categorical", "recorded_services")


@dataclass(frozen=True, kw_only=True)
class CachingStreams:
    """The inputs of the caching world; where an entry is left out the world's default holds."""

    service: ProcessSpec
    x_m: ProcessSpec | None = None
    y_m: ProcessSpec | None = None
    fading: ProcessSpec | None = None


@dataclass(frozen=True, kw_only=True)
class CachingTable:
    """The table ``[world]``; see ``edgewright.systems.caching.CachingStructure``."""

    kind: Literal["caching"]
    servers: Count
    users: Count
    services: Count
    slots_per_epoch: Count
    shares: Literal["action", "square_root"]
    channel: Literal["chosen", "cell"]
    fading: Literal["power", "amplitude"]
    capacity: Literal["projected", "published"]
    zero_share: Literal["budget", "fallback"]
    queues: bool
    objective: Literal["latency", "published"]
    obs: Literal["full", "paper"]


@dataclass(frozen=True, kw_only=True)
class CachingNumbers:
    """The numbers of the caching world; one value for all servers, or a list of one for each.

    ``cells`` numbers the cell of every user from 1, for ``channel = "cell"``; without it users are
    divided evenly.
    """

    epochs: Count
    slot_s: Positive
    server_ghz: Positives
    bandwidth_mhz: Positives
    cache_gib: Positives
    backhaul_mib_s: Positive
    service_mib: EachService
    input_mbit: EachService
    work_gcycles: EachService
    tolerance_s: EachService
    cells: Annotated[list[Cell], Field(min_length=1)] | None = None
    cell_m: Positive
    nearest_m: Positive
    transmit_dbm: Real
    noise_dbm: Real
    cloud_mbps: Positive
    cloud_ghz: Positive
    cloud_delay_s: NonNegative
    demand_memory: Annotated[float, Field(ge=0, lt=1)]
    switch_weight: NonNegative
    least_weight: Annotated[float, Field(gt=0, le=1)]
    usable_share: Share
    fallback_share: Annotated[float, Field(gt=0, le=1)]
    reciprocal_scale: Positive
    hits_norm: Positive
    switch_norm_s: Positive


CachingScenario: TypeAlias = Scenario[CachingTable, CachingNumbers, CachingStreams]


def inconsistencies(scenario: CachingScenario) -> list[Inconsistency]:
    """Return what single fields cannot see: (key, problem, remedy) for each contradiction."""
    world, numbers = scenario.world, scenario.params
    result: list[Inconsistency] = []
    sizes = [(name, world.servers, "world.servers") for name in OF_SERVERS]
    sizes += [(name, world.services, "world.services") for name in OF_SERVICES]
    for name, size, owner in sizes:
        value = getattr(numbers, name)
        if isinstance(value, list) and len(value) != size:
            message = f"has {len(value)} values, but {owner} is {size}"
            result.append((f"params.{name}", message, f"give {size} values, or change {owner}"))
    result += _capacity_problems(numbers) + _cell_problems(scenario)
    for entry in dataclasses.fields(scenario.streams):
        spec = getattr(scenario.streams, entry.name)
        if spec is not None:
            result += process_problems(entry.name, spec)
    return result + _walk_problems(scenario) + _request_problems(scenario)


def _capacity_problems(numbers: CachingNumbers) -> list[Inconsistency]:
    """Return which caches hold no service at all."""
    smallest = math.ceil(min(numbers.service_mib) / 1024.0 * 1e3) / 1e3
    capacities = np.atleast_1d(np.asarray(numbers.cache_gib, float))
    if float(np.min(capacities)) * 1024.0 >= min(numbers.service_mib):
        return []
    message = f"{np.min(capacities):g} GiB is less than the smallest service of {smallest:g} GiB"
    return [("params.cache_gib", message, f"give at least {smallest:g}")]


def _walk_problems(scenario: CachingScenario) -> list[Inconsistency]:
    """Return whether users walk along other cells than those that there are."""
    walk, cell_m = scenario.streams.x_m, scenario.params.cell_m
    row_m = scenario.world.servers * cell_m
    if not isinstance(walk, ReflectedWalkSpec) or walk.high == row_m:
        return []
    message = f"users walk as far as {walk.high:g} m, but the row of cells ends at {row_m:g} m"
    hint = f"set it to {row_m:g}, which is world.servers * params.cell_m"
    return [("streams.x_m.high", message, hint)]


def _cell_problems(scenario: CachingScenario) -> list[Inconsistency]:
    """Return what is wrong with the division of users among cells."""
    world, cells = scenario.world, scenario.params.cells
    if cells is None:
        if world.users % world.servers == 0:
            return []
        message = f"{world.users} users cannot be divided evenly among {world.servers} cells"
        lower = max(world.users - world.users % world.servers, world.servers)
        hint = f"set it to {lower}, or list the cell of every user in params.cells"
        return [("world.users", message, hint)]
    if len(cells) != world.users:
        message = f"has {len(cells)} values, but world.users is {world.users}"
        return [("params.cells", message, f"give {world.users} values, or change world.users")]
    if max(cells) > world.servers:
        message = f"{max(cells)} is above world.servers = {world.servers}"
        return [("params.cells", message, "cells are numbered from 1")]
    return []


def _request_problems(scenario: CachingScenario) -> list[Inconsistency]:
    """Return what cannot be a law of requests."""
    spec, services = scenario.streams.service, scenario.world.services
    if spec.kind not in REQUESTS:
        message = f"kind = '{spec.kind}' cannot draw a service"
        return [("streams.service", message, f"use one of: {', '.join(REQUESTS)}")]
    for row in laws(spec) if isinstance(spec, CategoricalSpec) else ():
        if len(row) != services:
            message = f"has {len(row)} probabilities, but world.services is {services}"
            return [("streams.service.probabilities", message, f"give {services} values")]
    return []
