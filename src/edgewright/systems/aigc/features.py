"""The feature tables of the AIGC world, in physical units.

The scales are constants of the observation, not physics: another world must not rescale what a
policy sees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from edgewright.core.features import Feature
from edgewright.core.records import Array
from edgewright.physics import energy
from edgewright.systems.aigc.structure import AigcStructure

MODES = ("preview", "balanced", "best")

PERCENT = (0.0, 100.0)
"""What a charge can be. The last slot of an episode may leave less than nothing."""


def _input(name: str) -> Callable[..., Array]:
    return lambda world, params, state, x: getattr(x, name)


def _state(name: str) -> Callable[..., Array]:
    return lambda world, params, state, x: getattr(state, name)


def _number(name: str) -> Callable[..., Array]:
    return lambda world, params, state, x: getattr(params, name)


def _gcycle_j(world: Any, params: Any, state: Any, x: Any) -> Array:
    return energy.dvfs_j(jnp.ones(()), params.device_ghz, params.kappa)


def _phase(world: Any, params: Any, state: Any, x: Any) -> Array:
    return state.slot / params.horizon_slots


# fmt: off
FULL = (
    Feature("input_mb", "MB", "size of the task's input", 25.0, low=0.0, get=_input("input_mb")),
    Feature("work_gcycles", "Gcycles", "work at multiplier 1", 8.0, low=0.0,
            get=_input("work_gcycles")),
    Feature("mode", about="what the user asked for", choices=MODES, one_hot=True,
            get=_input("mode")),
    Feature("charge_pct", "%", "battery of the device", 100.0, high=100.0, domain=PERCENT,
            get=_state("charge_pct")),
    Feature("bandwidth_mbps", "Mbit/s", "rate to the servers", 150.0, low=0.0,
            get=_input("bandwidth_mbps")),
    Feature("local_backlog_gcycles", "Gcycles", "work ahead here", 20.0, low=0.0,
            get=_state("local_backlog_gcycles")),
    Feature("phase", about="share of the episode that has gone by", low=0.0, high=1.0, get=_phase),
)
"""``obs = "full"``, before the backlogs of the servers in reach."""

UPLINK = (
    Feature("uplink_backlog_mb", "MB", "left to send before a new upload", 25.0, low=0.0,
            get=_state("uplink_backlog_mb")),
)
"""The feature that ``uplink = "queue"`` adds, except to ``obs = "paper"``."""

DEVICE = (
    Feature("device_ghz", "GHz", "speed of the device", 4.0, low=0.0, get=_number("device_ghz")),
    Feature("device_j_per_gcycle", "J", "of the device for a Gcycle", 10.0, low=0.0,
            get=_gcycle_j),
    Feature("battery_j", "J", "capacity of its battery", 20_000.0, low=0.0,
            get=_number("battery_j")),
    Feature("transmit_w", "W", "power of its radio", 4.0, low=0.0, get=_number("transmit_w")),
)
"""The features that ``obs = "device"`` adds, which are a device's own numbers."""

PAPER = (
    Feature("task_number", about="tasks since the start of the episode", low=0.0,
            get=_state("slot")),
    Feature("input_mb", "MB", "size of the task's input", low=0.0, get=_input("input_mb")),
    Feature("work_gcycles", "Gcycles", "work at multiplier 1", low=0.0,
            get=_input("work_gcycles")),
    Feature("mode", about="what the user asked for", choices=MODES, get=_input("mode")),
    Feature("charge_pct", "%", "battery of the device", high=100.0, domain=PERCENT,
            get=_state("charge_pct")),
    Feature("device_ghz", "GHz", "speed of the device", low=0.0, get=_number("device_ghz")),
    Feature("bandwidth_mbps", "Mbit/s", "rate to the servers", low=0.0,
            get=_input("bandwidth_mbps")),
)
"""``obs = "paper"``, equation (18), before the servers: networks take the raw units."""
# fmt: on

SERVER_GCYCLES = 160.0
"""Scale of a server's backlog in ``obs = "full"``."""


def server_names(world: AigcStructure) -> tuple[str, ...]:
    """Return the servers that one device may use: by number, or the nearest first."""
    prefix = "near" if world.reach else "server"
    return tuple(f"{prefix}_{n + 1}" for n in range(world.choices))


def features(world: AigcStructure) -> tuple[Feature, ...]:
    """Return the table of one device, by ``world.obs``."""
    names = server_names(world)

    def backlog(n: int) -> Callable[..., Array]:
        return lambda world, params, state, x: world.in_reach(params, state.server_backlog_gcycles)[
            :, n
        ]

    def speed(n: int) -> Callable[..., Array]:
        return lambda world, params, state, x: world.in_reach(
            params, world.at_queues(params, params.server_ghz)
        )[:, n]

    scale = 1.0 if world.obs == "paper" else SERVER_GCYCLES
    ahead = tuple(
        Feature(
            f"{name}_backlog_gcycles", "Gcycles", "work ahead there", scale, low=0.0, get=backlog(n)
        )
        for n, name in enumerate(names)
    )
    if world.obs == "paper":
        ghz = (
            Feature(f"{name}_ghz", "GHz", "speed of the server", low=0.0, get=speed(n))
            for n, name in enumerate(names)
        )
        return (*PAPER, *ghz, *ahead)
    uplink = UPLINK if world.uplink == "queue" else ()
    return (*FULL, *uplink, *(DEVICE if world.obs == "device" else ()), *ahead)
