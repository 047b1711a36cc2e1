"""The networks that devices adapt from, one for all tasks or one for each."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.core.records import Array, record, static


@record
class Initialisation:
    """The initial network of a device, one for all tasks or one for each task ``[E, ...]``.

    Attributes:
        learner: what adapts it, with ``proposer(network)`` to a policy; see
            :class:`edgewright.agents.droo.Droo`.
    """

    network: Any
    learner: Any
    shared: bool = static()

    def policy(self, index: int) -> Any:
        """Return what a device of one task decides with, before it adapts any further.

        Raises:
            InputError: each task has its own network, and there is none of that number.
        """
        if self.shared:
            return self.learner.proposer(self.network)
        count = self._count
        if not 0 <= index < count:
            message = f"the task must be from 0 to {count - 1}; got {index}"
            raise InputError(message, where="--task", hint=f"give 0 to {count - 1}")
        return self.learner.proposer(jax.tree.map(lambda leaf: leaf[index], self.network))

    def networks(self, count: int) -> Any:
        """Return a network for each of ``count`` tasks, leaves ``[count, ...]``.

        Raises:
            InputError: each task has its own network, and there are not ``count`` of them.
        """
        if self.shared:
            return jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), self.network
            )
        if self._count != count:
            message = f"the run learned in {self._count} tasks of its own, and {count} are played"
            hint = f"play {self._count} of them"
            raise InputError(message, where="evaluation.episodes", hint=hint)
        return self.network

    @property
    def _count(self) -> int:
        return jax.tree.leaves(self.network)[0].shape[0]


def adaptation_key(seed: int) -> Array:
    """Return the key of the slots that devices adapt on: the same for every learner."""
    return jax.random.fold_in(jax.random.key(90_001), seed)


__all__ = ["Initialisation", "adaptation_key"]
