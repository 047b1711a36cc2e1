"""The sizes of the AIGC world, its two readings, and where actions and queues lie in arrays."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp

from edgewright.core.records import Array
from edgewright.systems.aigc.records import AigcParams, AigcState


@dataclasses.dataclass(frozen=True)
class AigcStructure:
    """The sizes and switches that the shapes of the AIGC world depend on, without physics.

    Attributes:
        reach: how many servers each device may use, those of its row of ``params.neighbours``;
            0 is all of them. An action, a feature and ``metrics.location`` then name the position
            in that row (nearest first), not the server.
        alone: every device has the servers, with the load of outsiders, for itself: what training
            alone takes for the world. Others' work neither waits nor is waited for.
        reading: ``ours`` charges device and server energy, joules per cycle, continuous backlogs;
            ``paper`` takes the paper's equations (2), (7), (14), (16) to the letter: slots of
            waiting, cubic server energy, transmission for free, and weights that save energy while
            the load is low.
        obs: ``full``, ``device`` (the same and the device's own numbers, for fleets of different
            devices) or ``paper`` (equation (18)); see ``systems.aigc.features``.
        overflow: ``end`` ends the episode when own tasks overload a server (constraint C4);
            ``reject`` refuses the task.
        uplink: ``parallel`` sends every upload at once at the full rate, as the paper's equations
            do; with ``queue`` a device sends one after the other, by the queue ``Q_trans`` that the
            paper defines and no equation of it uses.
        quality_action: choose the quality, or always take the middle level.
    """

    devices: int = 1
    servers: int = 2
    qualities: int = 3
    reading: Literal["ours", "paper"] = "ours"
    obs: Literal["full", "device", "paper"] = "full"
    overflow: Literal["end", "reject"] = "end"
    adaptive_weights: bool = True
    quality_action: bool = True
    reach: int = 0
    alone: bool = False
    uplink: Literal["parallel", "queue"] = "parallel"

    @property
    def choices(self) -> int:
        """Number of servers that one device may use."""
        return self.reach or self.servers

    @property
    def queue_count(self) -> int:
        """Return the number of queues at servers, one a server or one a device and choice."""
        return self.devices * self.choices if self.alone else self.servers

    @property
    def actions(self) -> int:
        """Return the number of choices of one device, ``(1 + N) K``, linear in both."""
        return (1 + self.choices) * (self.qualities if self.quality_action else 1)

    def decode(self, action: Array) -> tuple[Array, Array]:
        """Return (location, level) of an action index. Equation (19)."""
        if not self.quality_action:
            return action, jnp.full_like(action, self.qualities // 2)
        return action // self.qualities, action % self.qualities

    def encode(self, location: Array, level: Array) -> Array:
        """Return the action index of (location, level), the inverse of :meth:`decode`."""
        return location * self.qualities + level if self.quality_action else location

    def server(self, params: AigcParams, location: Array) -> Array:
        """Return which server a location ``[M]`` of each device is; -1 is the device itself."""
        if not self.reach:
            return location - 1
        column = jnp.maximum(location - 1, 0)[:, None]
        server = jnp.take_along_axis(jnp.asarray(params.neighbours), column, axis=1)[:, 0]
        return jnp.where(location > 0, server, -1)

    def queue(self, params: AigcParams, location: Array) -> Array:
        """Return which queue a location ``[M]`` of each device is; -1 is the device's own."""
        if not self.alone:
            return self.server(params, location)
        queue = jnp.arange(self.devices) * self.choices + location - 1
        return jnp.where(location > 0, queue, -1)

    def at_queues(self, params: AigcParams, values: Array) -> Array:
        """Return a number of each server ``[N]`` for each queue."""
        if not self.alone:
            return values
        if not self.reach:
            return jnp.tile(values, self.devices)
        return values[jnp.asarray(params.neighbours)].reshape(-1)

    def in_reach(self, params: AigcParams, values: Array) -> Array:
        """Return a number of each queue for the servers that each device may use, ``[M, k]``."""
        if self.alone:
            return values.reshape(self.devices, self.choices)
        if not self.reach:
            return jnp.broadcast_to(values, (self.devices, self.servers))
        return values[jnp.asarray(params.neighbours)]

    def with_empty_queues(self, state: AigcState) -> AigcState:
        """Return a state in which no work is queued anywhere, and no upload."""
        names = ["local_backlog_gcycles", "server_backlog_gcycles"]
        if self.uplink == "queue":
            names.append("uplink_backlog_mb")
        empty = {name: jnp.zeros_like(getattr(state, name)) for name in names}
        return dataclasses.replace(state, **empty)

    def least_in_reach(self, params: AigcParams, values: Array) -> Array:
        """Return the least over the servers that each device may use: ``[]`` or ``[M]``."""
        if self.reach or self.alone:
            return jnp.min(self.in_reach(params, values), axis=-1)
        return jnp.min(values)
