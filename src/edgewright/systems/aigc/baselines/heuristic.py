"""The paper's AIGC heuristic, as it is described and in a fair version."""

from __future__ import annotations

import jax.numpy as jnp

from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import AigcWorld
from edgewright.systems.aigc.baselines.greedy import immediate_rewards
from edgewright.systems.aigc.baselines.rules import shortest_wait

LOW_CHARGE_PCT = 30.0
"""The fair version saves one quality level below this charge (our reading)."""


@record
class AigcHeuristic(Memoryless):
    """Quality from the user's mode, then the best location for it.

    Preview asks for the lowest level, balanced for the middle one, best for the highest. As the
    paper describes it, the location is the best one *with empty queues*: backlog is ignored and
    delay grows. The ``fair`` version knows the queues, compares the device with the least loaded
    server, and lowers the quality by one level when the charge is below 30 %.
    """

    world: AigcWorld = static()
    fair: bool = static(default=False)

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action of every device."""
        world, state = self.world, insight.state
        best = world.qualities - 1
        wanted = jnp.array([0, world.qualities // 2, best])[insight.x.mode]
        location, level = world.decode(jnp.arange(world.actions)[:, None])
        allowed = jnp.ones((world.actions, world.devices), bool)
        if self.fair:
            low = state.charge_pct < LOW_CHARGE_PCT
            wanted = jnp.where(low, jnp.maximum(wanted - 1, 0), wanted)
            least = shortest_wait(world, insight.params, state)
            allowed = (location == 0) | (location == least)
        else:
            state = world.with_empty_queues(state)
        rewards = immediate_rewards(world, insight.params, state, insight.x)
        if world.quality_action:
            allowed = allowed & (level == wanted)
        rewards = jnp.where(allowed, rewards, -jnp.inf)
        return carry, Decision(action=jnp.argmax(rewards, axis=0).astype(jnp.int32), aux=())
