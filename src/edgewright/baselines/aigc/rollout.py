"""The rollout planner: try every action against imagined futures, then be greedy.

A strong feasible policy (Bertsekas's rollout algorithm with the known-queue greedy as its base):
it needs the state, the physics and a model of the inputs, and no learning. Several devices decide
one after another, those that have not yet decided being greedy (multiagent rollout: Bertsekas,
IEEE/CAA Journal of Automatica Sinica 8(2), 2021).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.baselines.aigc.in_turn import greedy_in_turn
from edgewright.core.protocols import Stream
from edgewright.core.records import Array, Decision, record, static
from edgewright.loops.evaluate import Insight
from edgewright.worlds.aigc import AigcState, AigcWorld

MOST_DEVICES = 32
"""The planner simulates ``devices * actions * futures`` futures for one decision: no more."""


@record
class Rollout:
    """Simulate ``futures`` futures of ``horizon`` slots after every action; take the best mean.

    All actions meet the same futures (common random numbers), so their differences are not noise.

    Attributes:
        model: where futures come from; it must continue the present (``Stream.resume``).
    """

    world: AigcWorld = static()
    model: Stream[Any]
    horizon: int = static(default=12)
    futures: int = static(default=8)

    def start(self, key: Array) -> tuple[()]:
        """Return no memory."""
        return ()

    def act(self, key: Array, carry: tuple[()], insight: Insight) -> tuple[tuple[()], Decision]:
        """Return the action of every device. Consumes ``key``."""

        def imagine(key: Array) -> Any:
            length = self.horizon - 1
            rows = self.model.take(self.model.resume(key, insight.x), max(length, 1))[1]
            return jax.tree.map(lambda leaf: leaf[:length], rows)

        futures = jax.vmap(imagine)(jax.random.split(key, self.futures))
        base = greedy_in_turn(self.world, insight.params, insight.state, insight.x)

        def value(choice: Array) -> Array:
            first = self.world.step(insight.params, insight.state, choice, insight.x)
            earned = jnp.sum(first.reward)
            later = jax.vmap(lambda rows: self._greedy_from(insight.params, first.state, rows))
            return earned + jnp.where(first.terminated, 0.0, jnp.mean(later(futures)))

        def decide(chosen: Array, device: Array) -> tuple[Array, None]:
            mine = jnp.arange(self.world.devices) == device
            options = jnp.where(mine, jnp.arange(self.world.actions)[:, None], chosen)
            best = jnp.argmax(jax.vmap(value)(options), axis=0).astype(jnp.int32)
            return jnp.where(mine, best, chosen), None

        action, _ = jax.lax.scan(decide, base, jnp.arange(self.world.devices))
        return carry, Decision(action=action, aux=())

    def _greedy_from(self, params: Any, state: AigcState, rows: Any) -> Array:
        """Return the summed reward of the greedy rule over the rows, until the episode ends."""

        def slot(carry: tuple[AigcState, Array], x: Any) -> tuple[tuple[AigcState, Array], Array]:
            state, alive = carry
            action = greedy_in_turn(self.world, params, state, x)
            outcome = self.world.step(params, state, action, x)
            earned = jnp.where(alive, jnp.sum(outcome.reward), 0.0)
            return (outcome.state, alive & ~outcome.terminated), earned

        return jnp.sum(jax.lax.scan(slot, (state, jnp.ones((), bool)), rows)[1])
