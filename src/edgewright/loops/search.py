"""Evaluate a few proposed actions of one slot in a world, and take the best.

It serves worlds whose slots are independent (one reset, one step). The cost of an action is exact
there, so this is the "critic" of DROO. Search knows the world; a policy alone never does.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Policy, World
from edgewright.core.records import Array, Decision, Labelled, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation


def prices(world: World, params: Any, x: Any, candidates: Array) -> Array:
    """Return minus the summed reward ``[K]`` of each action ``[K, *agents]`` in the slot ``x``."""
    state = world.reset(params, x)

    def price(action: Array) -> Array:
        return -jnp.sum(world.step(params, state, action, x).metrics.reward)

    return jax.vmap(price)(candidates)


@record
class BestOfCandidates(Memoryless):
    """A policy that evaluates its proposals with the numbers of the task, given by the caller.

    Attributes:
        proposer: anything with ``propose(key, observation) -> [K, *agents]``.
        tried: ``[K]`` bool, which proposals count; None for all.
    """

    proposer: Any
    tried: Array | None = None
    world: World = static()

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the cheapest proposal; ``aux`` is its index."""
        observation = self.world.observe(insight.params, insight.state, insight.x)
        candidates = self.proposer.propose(key, observation)
        cost = prices(self.world, insight.params, insight.x, candidates)
        if self.tried is not None:
            cost = jnp.where(self.tried, cost, jnp.inf)
        index = jnp.argmin(cost)
        return carry, Decision(action=candidates[index], aux=index)


def label(
    key: Array, world: World, params: Any, teacher: Policy, rows: Any
) -> tuple[Labelled, Array]:
    """Return each of ``rows`` ``[B, ...]`` with the action of a teacher, and what it logs.

    The teacher observes the state, the numbers and the inputs of the slot. Consumes ``key``.
    """
    count = jax.tree.leaves(rows)[0].shape[0]

    def one(key: Array, x: Any) -> tuple[Labelled, Array]:
        state = world.reset(params, x)
        memory = teacher.init_carry(key)
        _, decision = teacher.act(
            key, memory, PrivilegedObservation(params=params, state=state, x=x)
        )
        observation = world.observe(params, state, x)
        return Labelled(observation=observation, action=decision.action), decision.aux

    return jax.vmap(one)(jax.random.split(key, count), rows)
