"""Plan with the rollout planner on the true future inputs.

The planner is feasible only in hindsight. Its reward is a lower bound on the perfect-information
optimum, which a policy without knowledge of the future need not reach.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.loops.evaluate import (
    PrivilegedObservation,
    full_information,
    run_episodes_each,
    summarise,
)
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcWorld
from edgewright.systems.aigc.baselines.rollout import look_ahead
from edgewright.systems.aigc.baselines.shadow_prices import TARIFFS, Tariff, tariff


@record
class Clairvoyant(Memoryless):
    """After every action, be greedy for the ``horizon`` slots that will come; take the best.

    What the slots after those are worth is in the tariff: without it, the planner would empty the
    battery and fill the queues just beyond its horizon.

    Attributes:
        future: the inputs ``[T + 1, ...]`` of the one episode it plays; it reads them from the
            slot that the state names.
        tariff: prices on top of the reward, for the greedy rule as well.
    """

    future: Any
    tariff: Tariff
    world: AigcWorld = static()
    horizon: int = static(default=12)

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action of every device, the others being greedy."""
        ahead = insight.state.slot + 1 + jnp.arange(self.horizon - 1)
        last = jax.tree.leaves(self.future)[0].shape[0] - 1
        rows = jax.tree.map(lambda leaf: leaf[jnp.minimum(ahead, last)][None], self.future)
        counted = ahead < jnp.minimum(last, insight.params.horizon_slots)
        action = look_ahead(self.world, insight, rows, counted, self.tariff)
        return carry, Decision(action=action, aux=())


def hindsight_policy(
    world: AigcWorld,
    params: AigcParams,
    inputs: AigcInputs,
    post_termination_reward: float,
    horizon: int = 12,
) -> Clairvoyant:
    """Return the planner of every episode, leaves ``[E, ...]``, for ``run_episodes_each``.

    It knows the future, so it also knows which prices serve it best there: all of
    :data:`TARIFFS` are played, and each episode keeps its best.

    Args:
        inputs: leaves ``[T + 1, E, ...]``, what the policy is going to be played on.
    """
    return _foresee(world, params, inputs, jnp.float32(post_termination_reward), horizon)


@functools.partial(jax.jit, static_argnames=("world", "horizon"))
def _foresee(
    world: AigcWorld, params: AigcParams, inputs: AigcInputs, missed: Array, horizon: int
) -> Clairvoyant:
    future = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), inputs)
    episodes = inputs.gap_s.shape[1]

    def planners(joule: Array, toll: Array) -> Clairvoyant:
        each = (jnp.broadcast_to(joule, (episodes,)), jnp.broadcast_to(toll, (episodes,)))
        prices = tariff(world, params, *each)
        return Clairvoyant(world=world, horizon=horizon, future=future, tariff=prices)

    def earned(pair: Array) -> Array:
        played = run_episodes_each(
            jax.random.key(0), world, params, planners(*pair), inputs, observe_fn=full_information
        )  # the planner draws nothing
        return summarise(played, missed)["reward"]

    tried = jnp.asarray(TARIFFS)
    best = jnp.argmax(jax.lax.map(earned, tried), axis=0)
    return planners(tried[best, 0], tried[best, 1])


__all__ = ["Clairvoyant", "hindsight_policy"]
