"""Play menus that were computed beforehand, and draw menus at random."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.contract.world import ContractWorld

AT_ONCE = 50
"""Menus that are scored together while the best of many is sought."""


@record
class MenuTable:
    """The menus of one episode, one for each round, as actions of the decoding ``menu``."""

    numbers: Array  # [T, 2 K + 2 K^2]

    def init_carry(self, key: Array) -> Array:
        """Return the number of the first round."""
        return jnp.zeros((), jnp.int32)

    def act(self, key: Array, carry: Array, observation: Any) -> tuple[Array, Decision]:
        """Return the menu of the round."""
        index = jnp.minimum(carry, self.numbers.shape[0] - 1)
        return carry + 1, Decision(action=self.numbers[index], aux=())


@record
class RandomMenu(Memoryless):
    """The best of ``tries`` uniform actions by what a learner maximises; one is a random menu.

    It asks the world for the reward of each, which a learner cannot do before it acts.
    """

    world: ContractWorld = static()
    tries: int = static(default=1)

    def act(
        self, key: Array, carry: tuple[()], known: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the best action of those drawn."""
        world, params = self.world, known.params
        space = world.action_space(params)
        if self.tries == 1:
            return carry, Decision(action=space.sample(key), aux=())
        drawn = jax.vmap(space.sample)(jax.random.split(key, self.tries))

        def reward(action: Array) -> Array:
            return world.step(params, known.state, action, known.x).reward

        rewards = jax.lax.map(reward, drawn, batch_size=min(AT_ONCE, self.tries))
        return carry, Decision(action=drawn[jnp.argmax(rewards)], aux=())
