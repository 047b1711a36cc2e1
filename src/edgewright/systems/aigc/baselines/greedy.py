"""Take the action with the best reward of this step, by exhaustive comparison.

The paper's "greedy" has three readings: with empty queues assumed (``nominal``), with the queues
known, and over the location only. The reading with known queues is the strongest.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import (
    AigcInputs,
    AigcParams,
    AigcState,
    AigcWorld,
    pick,
    price_list,
    settle,
)


def immediate_rewards(
    world: AigcWorld, params: AigcParams, state: AigcState, x: AigcInputs
) -> Array:
    """Return the reward ``[A, M]`` of each action in this step, each device acting alone.

    What the action would end counts too: the terminal reward for overloading a server or emptying
    the battery, the rejected reward where a full server refuses.
    """
    prices = price_list(world, params, state, x)
    actions = jnp.broadcast_to(jnp.arange(world.actions)[:, None], prices.reward.shape)
    location, _ = world.decode(actions)
    queue = jax.vmap(lambda one: world.queue(params, one))(location)
    room = params.load_limit_gcycles - state.server_backlog_gcycles
    over = (queue >= 0) & (prices.work_gcycles > pick(room, queue))
    settled = settle(world, params, state, x, prices, over)
    ended = settled.spent | (over & (world.overflow == "end"))
    return settled.reward + jnp.where(ended, params.terminal_reward, 0.0)


@record
class Greedy(Memoryless):
    """Take the best immediate reward.

    Attributes:
        nominal: assume that all queues are empty.
        fixed_level: compare locations only, at this quality level.
    """

    world: AigcWorld = static()
    nominal: bool = static(default=False)
    fixed_level: int | None = static(default=None)

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action of every device."""
        state = insight.state
        if self.nominal:
            state = self.world.with_empty_queues(state)
        rewards = immediate_rewards(self.world, insight.params, state, insight.x)
        if self.fixed_level is not None:
            _, level = self.world.decode(jnp.arange(self.world.actions))
            rewards = jnp.where((level == self.fixed_level)[:, None], rewards, -jnp.inf)
        return carry, Decision(action=jnp.argmax(rewards, axis=0).astype(jnp.int32), aux=())
