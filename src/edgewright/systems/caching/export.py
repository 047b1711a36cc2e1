"""Name the parts of the action of the caching world in bundles, and turn its rules into graphs."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.bundle.interface import Interface
from edgewright.core.errors import InputError
from edgewright.core.records import Array
from edgewright.core.spaces import Record
from edgewright.export.heads import READERS
from edgewright.export.layers import Layer, Program
from edgewright.export.networks import layers_of
from edgewright.export.observation import head_of
from edgewright.export.record_head import RecordHead, flat_action
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.caching import CachingWorld
from edgewright.systems.caching.answers import PlacingHead
from edgewright.systems.caching.baselines import placement
from edgewright.systems.caching.baselines.offloading import Offloading
from edgewright.systems.caching.baselines.two_level import TwoRules
from edgewright.systems.caching.latency import Task

MEANINGS = (
    (
        "cache",
        "priority of each service on each server: cached where positive, highest first while "
        "they fit; counts where placing = 1",
    ),
    ("server", "server of each user, counted from 0; counts where placing = 0"),
    ("bandwidth", "weight of each user's share of its server's bandwidth"),
    ("speed", "weight of each user's share of its server's speed"),
)


@head_of.register
def _(world: CachingWorld, params: Any) -> RecordHead:
    space: Record = world.action_space(params)
    names = {name for name, _ in space.parts}
    meanings = tuple(pair for pair in MEANINGS if pair[0] in names)
    if world.capacity != "projected" or world.zero_share != "budget":
        return RecordHead(space, meanings)  # with a loophole, caches and shares need not fit
    capacity = np.broadcast_to(np.asarray(params.cache_gib) * 1024.0, (world.servers,))
    sizes = tuple(np.asarray(params.service_mib, float).tolist())
    least = float(params.least_weight)
    return PlacingHead(space, meanings, sizes, tuple(capacity.astype(float).tolist()), least)


READERS[PlacingHead.kind] = PlacingHead.read


LEAST = 1e-6
"""The least size, work and link that a rule reads from a row: it divides by them."""

PLACEMENTS = (placement.Fixed, placement.LeastFrequentlyUsed)
"""Rules for the caches that look at nothing but the features, and try no sets of services."""


@layers_of.register
def _(policy: TwoRules, params: Any, interface: Interface) -> tuple[Layer, ...]:
    slots, caches = policy.offloading, policy.placement
    if not isinstance(slots, Offloading) or slots.association not in ("nearest", "hit", "search"):
        message = "a rule that draws its decisions, or plays the world to decide, has no graph"
        hint = "export a rule such as lfu+hit-root or all+nearest-equal"
        raise InputError(message, where="export", hint=hint)
    if slots.shares == "random" or not isinstance(caches, PLACEMENTS):
        message = "chance, the time of the last request and a search among sets have no graph"
        hint = "export a rule such as lfu+hit-root or all+nearest-equal"
        raise InputError(message, where="export", hint=hint)
    world = slots.world
    if world.obs != "full" or world.channel != "chosen":
        message = f"with obs = '{world.obs}', channel = '{world.channel}' links are not observed"
        hint = "rules need obs = 'full', channel = 'chosen'"
        raise InputError(message, where="export", hint=hint)

    def decide(row: Array) -> Array:
        key = jnp.zeros(2, jnp.uint32)  # these rules draw nothing
        known, asked = row_known(world, params, row)
        strongest = jnp.argmax(asked.efficiency, axis=1).astype(jnp.int32)
        action = {"cache": caches.place(key, known)}
        action |= slots.decide(key, known, asked, strongest)
        return flat_action(world.action_space(params), action)

    return (Program(function=decide, columns=interface.columns),)


def row_known(world: CachingWorld, params: Any, row: Array) -> tuple[PrivilegedObservation, Task]:
    """Return the state and the requests that one row of ``obs = "full"`` holds.

    A row has no positions: the server with the strongest link takes the place of the nearest one.
    What a row does not show, and no exported rule looks at, is as at the start of an episode.
    """
    names = world.observation_space(params).names
    users, servers, table = world.users, world.servers, (world.servers, world.services)

    def value(stem: str, *shape: int, least: float = 0.0) -> Array:
        first = world.time_scales.columns(names, (stem,))[0]
        size = math.prod(shape)
        return jnp.maximum(row[first : first + size], least).reshape(shape)

    state = dataclasses.replace(
        world.reset(params, None),  # pyright: ignore[reportArgumentType]
        cached=value("cached", *table),
        demand=value("demand", *table),
        backlog_gcycles=value("backlog", servers) * params.server_ghz,
    )
    asked = Task(
        input_mbit=value("input", users, least=LEAST),
        work_gcycles=value("work", users, least=LEAST),
        tolerance_s=jnp.zeros(users),
        efficiency=value("efficiency", users, servers, least=LEAST),
        available=(value("available", users, servers) > 0.5).astype(jnp.float32),
    )
    return PrivilegedObservation(params=params, state=state, x=None), asked
