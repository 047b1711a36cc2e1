"""The clairvoyant planner: the rollout planner, handed the future that will really come.

Feasible only in hindsight: what it earns is a lower bound on the perfect-information optimum, and
how far it is above the rollout planner says what a better forecast could be worth.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.baselines.aigc.rollout import look_ahead
from edgewright.core.records import Array, Decision, record, static
from edgewright.loops.evaluate import Insight
from edgewright.worlds.aigc import AigcInputs, AigcWorld


@record
class Clairvoyant:
    """After every action, be greedy for the ``horizon`` slots that will come; take the best.

    Attributes:
        future: the inputs ``[T + 1, ...]`` of the episode it plays, or ``[T + 1, E, ...]`` before
            :meth:`foresee` deals them out. It reads them from the slot that the state names.
    """

    future: Any
    world: AigcWorld = static()
    horizon: int = static(default=12)

    def foresee(self, inputs: AigcInputs) -> Clairvoyant:
        """Return a policy for every episode ``[E, ...]``, for ``loops.evaluate.play_each``."""
        return dataclasses.replace(
            self, future=jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), inputs)
        )

    def start(self, key: Array) -> tuple[()]:
        """Return no memory: the slot is in the state."""
        return ()

    def act(self, key: Array, carry: tuple[()], insight: Insight) -> tuple[tuple[()], Decision]:
        """Return the action of every device, the others being greedy."""
        ahead = insight.state.slot + 1 + jnp.arange(self.horizon - 1)
        last = jax.tree.leaves(self.future)[0].shape[0] - 1
        rows = jax.tree.map(lambda leaf: leaf[jnp.minimum(ahead, last)][None], self.future)
        counted = ahead < jnp.minimum(last, insight.params.horizon_slots)
        return carry, Decision(action=look_ahead(self.world, insight, rows, counted), aux=())
