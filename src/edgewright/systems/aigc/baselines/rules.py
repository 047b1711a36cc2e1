"""Rules that look at nothing, or at one thing: random, always local, the shortest queue."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import AigcParams, AigcState, AigcWorld


@record
class Random(Memoryless):
    """Every action equally likely."""

    world: AigcWorld = static()

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Draw an action for every device."""
        action = jax.random.randint(key, (self.world.devices,), 0, self.world.actions)
        return carry, Decision(action=action, aux=())


def shortest_wait(world: AigcWorld, params: AigcParams, state: AigcState) -> Array:
    """Return the location ``[M]`` of the server with the least waiting time in reach."""
    waits = state.server_backlog_gcycles / world.at_queues(params, params.server_ghz)
    return jnp.argmin(world.in_reach(params, waits), axis=-1).astype(jnp.int32) + 1


@record
class Rule(Memoryless):
    """A rule with one location and one quality, on the device or on the least-loaded server."""

    world: AigcWorld = static()
    location: Literal["local", "shortest"] = static()
    level: int = static()

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the rule's action for every device."""
        location = jnp.zeros((self.world.devices,), jnp.int32)
        if self.location == "shortest":
            location = shortest_wait(self.world, insight.params, insight.state)
        action = self.world.encode(location, jnp.full_like(location, self.level))
        return carry, Decision(action=action, aux=())
