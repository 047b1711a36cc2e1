"""The rollout planner: try every action against imagined futures, then be greedy.

A strong feasible policy (Bertsekas's rollout algorithm with the known-queue greedy as its base):
it needs the state, the physics and a model of the inputs, and no learning.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.baselines.aigc.greedy import immediate_rewards
from edgewright.core.protocols import Stream
from edgewright.core.records import Array, Decision, record, static
from edgewright.loops.evaluate import Insight
from edgewright.worlds.aigc import AigcParams, AigcState, AigcWorld


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
        """Return the action of every device, the others being greedy. Consumes ``key``."""

        def imagine(key: Array) -> Any:
            length = self.horizon - 1
            rows = self.model.take(self.model.resume(key, insight.x), max(length, 1))[1]
            return jax.tree.map(lambda leaf: leaf[:length], rows)

        futures = jax.vmap(imagine)(jax.random.split(key, self.futures))
        counted = jnp.ones(self.horizon - 1, bool)
        return carry, Decision(action=look_ahead(self.world, insight, futures, counted), aux=())


def look_ahead(world: AigcWorld, insight: Insight, futures: Any, counted: Array) -> Array:
    """Return each device's action ``[M]`` with the best mean over futures, the others being greedy.

    Args:
        futures: rows ``[S, L, ...]`` that follow the present one; greedy goes on in each.
        counted: ``[L]`` bool, the rows that belong to the episode.
    """
    now = immediate_rewards(world, insight.params, insight.state, insight.x)
    base = jnp.argmax(now, axis=0).astype(jnp.int32)

    def value(device: Array, action: Array) -> Array:
        choice = jnp.where(jnp.arange(world.devices) == device, action, base)
        first = world.step(insight.params, insight.state, choice, insight.x)
        earned = jnp.sum(first.reward)
        later = jax.vmap(
            lambda rows: greedy_from(world, insight.params, first.state, rows, counted)
        )
        return earned + jnp.where(first.terminated, 0.0, jnp.mean(later(futures)))

    devices, actions = jnp.arange(world.devices), jnp.arange(world.actions)
    values = jax.vmap(lambda d: jax.vmap(lambda a: value(d, a))(actions))(devices)
    return jnp.argmax(values, axis=-1).astype(jnp.int32)


def greedy_from(
    world: AigcWorld, params: AigcParams, state: AigcState, rows: Any, counted: Array
) -> Array:
    """Return the summed reward of the greedy rule over the counted rows, until the episode ends."""

    def slot(carry: tuple[AigcState, Array], row: Any) -> tuple[tuple[AigcState, Array], Array]:
        (state, alive), (x, counts) = carry, row
        action = jnp.argmax(immediate_rewards(world, params, state, x), axis=0)
        outcome = world.step(params, state, action.astype(jnp.int32), x)
        earned = jnp.where(alive & counts, jnp.sum(outcome.reward), 0.0)
        return (outcome.state, alive & ~outcome.terminated), earned

    start = (state, jnp.ones((), bool))
    return jnp.sum(jax.lax.scan(slot, start, (rows, counted))[1])
