"""Rules of the binary world, from fixed actions to rankings, local search and random candidates.

All know the numbers of the scenario, which a learner does not, and differ in what they do with
them. The floors are ``Fixed`` and ``RandomActions``; ``OneFlip`` and ``Prefix`` need no learning
and are close to the optimum, so they belong in every table.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.binary import BinaryWorld, Needs, alone_s, load, needs, total_s


def cost_of(world: BinaryWorld, need: Needs, action: Array) -> Array:
    """Return Q of actions ``[..., N]``."""
    return total_s(world.objective, load(need, action))


@record
class Fixed(Memoryless):
    """A policy with the same bit for every device, where 0 is all local and 1 is all offloaded."""

    world: BinaryWorld = static()
    bit: int = static(default=0)

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the bit for every device."""
        return carry, Decision(action=jnp.full(self.world.devices, self.bit, jnp.int32), aux=())


@record
class RandomActions(Memoryless):
    """The best of ``candidates`` random actions, which shows the worth of search; 1 is chance."""

    world: BinaryWorld = static()
    candidates: int = static(default=1)

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Draw actions and return the cheapest. Consumes ``key``."""
        drawn = self.propose(key, jnp.zeros((self.world.devices, 1)))
        cost = cost_of(self.world, needs(insight.params, insight.x.gain), drawn)
        return carry, Decision(action=drawn[jnp.argmin(cost)], aux=())

    def propose(self, key: Array, observation: Array) -> Array:
        """Return random actions ``[candidates, N]``. Consumes ``key``."""
        shape = (self.candidates, observation.shape[0])
        return jax.random.bernoulli(key, 0.5, shape).astype(jnp.int32)


@record
class Greedy(Memoryless):
    """Three greedies (MRL says no more than "Greedy").

    ``selfish`` offloads who would gain alone with everything; it is the optimum where nothing is
    shared. ``equal`` offloads who would gain with an N-th of everything. ``sequential`` goes
    through the devices by falling local cost and offloads whoever lowers the sum.
    """

    world: BinaryWorld = static()
    kind: Literal["selfish", "equal", "sequential"] = static(default="sequential")

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action ``[N]``."""
        need = needs(insight.params, insight.x.gain)
        if self.kind == "sequential":
            return carry, Decision(action=self._one_by_one(need), aux=())
        crowd = jnp.sum(need.present) if self.kind == "equal" else 1.0
        action = (crowd * alone_s(need) < need.local_s) & (need.present > 0)
        return carry, Decision(action=action.astype(jnp.int32), aux=())

    def _one_by_one(self, need: Needs) -> Array:
        order = jnp.argsort(-need.local_s)

        def consider(action: Array, device: Array) -> tuple[Array, None]:
            with_it = action.at[device].set(1)
            better = cost_of(self.world, need, with_it) < cost_of(self.world, need, action)
            return jnp.where(better, with_it, action), None

        nothing = jnp.zeros(need.uplink.shape, jnp.int32)
        return jax.lax.scan(consider, nothing, order)[0]


@record
class Prefix(Memoryless):
    """Rank by saved time over shared need, ``c / sqrt(u^2 + v^2)``; the best of the N + 1 prefixes.

    The same number of prices as an order-preserving quantiser, with a known ranking.
    """

    world: BinaryWorld = static()

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action ``[N]``."""
        need = needs(insight.params, insight.x.gain)
        alone = alone_s(need)
        merit = jnp.where(alone > 0, need.local_s / jnp.sqrt(jnp.maximum(alone, 1e-30)), -1.0)
        rank = jnp.argsort(jnp.argsort(-merit))
        prefixes = (rank < jnp.arange(rank.size + 1)[:, None]).astype(jnp.int32)
        best = jnp.argmin(cost_of(self.world, need, prefixes))
        return carry, Decision(action=prefixes[best], aux=())


@record
class OneFlip(Memoryless):
    """A local search from all local, by the best single flip, until none lowers the sum.

    ``aux`` is the number of prices it asked for: N for each flip and for the last look.
    """

    world: BinaryWorld = static()

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return an action ``[N]`` that no single flip improves."""
        need = needs(insight.params, insight.x.gain)

        def look(action: Array) -> tuple[Array, Array]:
            flips = action ^ jnp.eye(action.size, dtype=action.dtype)
            cost = jnp.where(need.present > 0, cost_of(self.world, need, flips), jnp.inf)
            device = jnp.argmin(cost)
            now = cost_of(self.world, need, action)
            return device, cost[device] < now * (1.0 - 1e-6)  # rounding must not go in circles

        def flip(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            action, _, looks = carry
            device, better = look(action)
            moved = action.at[device].set(1 - action[device])
            return jnp.where(better, moved, action), better, looks + 1

        start = (
            jnp.zeros(need.uplink.shape, jnp.int32),
            jnp.ones((), bool),
            jnp.zeros((), jnp.int32),
        )
        action, _, looks = jax.lax.while_loop(lambda carry: carry[1], flip, start)
        return carry, Decision(action=action, aux=looks * action.size)
