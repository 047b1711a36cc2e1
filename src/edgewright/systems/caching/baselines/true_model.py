"""Plan the decision of a slot with the cross-entropy method on the world itself.

What a planner gains when its model is perfect: PETS (Chua et al.,
NeurIPS 2018) with the physics in the place of the ensemble, see :mod:`edgewright.agents.planning`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.agents.planning import imagined
from edgewright.core.protocols import Stream
from edgewright.core.records import Array, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.rules import cem
from edgewright.systems.caching.baselines.offloading import Offloading

SEARCH = cem.CEM(
    initial_std=0.5,
    min_std=0.05,
    num_candidates=32,
    num_elites=4,
    iterations=4,
    elite_memory=True,
    answer="best",
)
"""The search; its first candidates include the decision of the rule it starts from."""

HORIZON, FUTURES = 8, 1
"""Steps and futures where queues carry work on; elsewhere no decision changes a later slot."""


@record
class TrueModelPlanner:
    """Search for the decision of a slot with the physics, the law of the inputs and a base rule.

    A candidate is a change of what the base rule would do: numbers that are added to those of its
    choice. Its score is the sum of the world's own reward of slots (``lower_reward``) over the
    present slot and the ``horizon - 1`` imagined ones after it, a mean over ``futures``. In those
    the servers are what the base rule would choose with the queues of now: an open loop, which does
    not react to what the candidate does to the queues. The present requests, links and queues are
    those of the world. Future inputs are *sampled* from the law that training inputs have
    (``Stream.resume``), once for each decision, and are the same for all candidates; what the law
    hides, such as a ranking that drifts, is drawn anew. Caches stay as they are. So it knows more
    than a learner, which sees neither the law nor the physics, but not the future.

    Attributes:
        base: the rule that the search starts from. The base rule's own decision is a candidate, so
            the result is never worse than it in the imagined futures.
        stream: the law of the inputs.
        weights: whether the weights of the shares are searched too; else they follow from the
            servers by the rule of ``base``.
    """

    base: Offloading
    stream: Stream[Any]
    search: cem.CEM
    weights: bool = static()
    horizon: int = static()
    futures: int = static()

    def offload(self, key: Array, known: PrivilegedObservation) -> dict[str, Array]:
        """Return ``server``, ``bandwidth`` and ``speed`` ``[U]`` each. Consumes ``key``."""
        future_key, base_key, search_key = jax.random.split(key, 3)
        rows = self._rows(future_key, known.x)
        usual = self._usual(base_key, known, rows)
        start = jax.tree.map(lambda leaf: leaf[0, 0], usual)
        count = self.base.world.users * (self.base.world.servers + 2 * self._searched)

        def score(key: Array, candidates: Array) -> Array:
            def of_future(future: Any) -> Array:
                return self._score(key, known, candidates, future)

            return jnp.mean(jax.lax.map(of_future, (rows, usual)), axis=0)

        blank = cem.no_plan(self.search, jnp.zeros((1, count)))
        bound = jnp.ones(count)
        plan = cem.search(search_key, self.search, score, blank, -bound, bound)
        return self._changed(known, start, cem.answer(self.search, plan))

    def _score(
        self, key: Array, known: PrivilegedObservation, candidates: Array, future: Any
    ) -> Array:
        """Return the summed rewards ``[J]`` of candidates ``[J, 1, A]`` in one future."""
        world, params = self.base.world, known.params
        x, usual = future
        pad = ((0, 0), (0, self.horizon - 1), (0, 0))

        def begin(count: int) -> tuple[Any, Array]:
            one = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), known)
            return one.state, jnp.zeros((), jnp.int32)

        def step(key: Array, carry: tuple[Any, Array], actions: Array) -> Any:
            states, index = carry
            now, rule = jax.tree.map(lambda leaf: leaf[index], (x, usual))

            def play(state: Any, numbers: Array) -> tuple[Any, Array]:
                there = PrivilegedObservation(params=params, state=state, x=now)
                action = {"cache": 2.0 * state.cached - 1.0, **self._changed(there, rule, numbers)}
                outcome = world.step(params, state, action, now)
                counts = state.slot < params.horizon_slots
                return outcome.state, jnp.where(counts, outcome.metrics.lower_reward, 0.0)

            states, scores = jax.vmap(play)(states, actions)
            return (states, index + 1), scores

        return imagined(key, step, begin, jnp.pad(candidates, pad))

    def _rows(self, key: Array, x: Any) -> Any:
        """Return the inputs ``[futures, horizon, ...]``, the present ones first."""

        def future(key: Array) -> Any:
            length = self.horizon - 1
            after = self.stream.next_rows(self.stream.resume(key, x), max(length, 1))[1]
            return jax.tree.map(
                lambda now, row: jnp.concatenate([now[None], row[:length]]), x, after
            )

        return jax.vmap(future)(jax.random.split(key, self.futures))

    def _usual(self, key: Array, known: PrivilegedObservation, rows: Any) -> dict[str, Array]:
        """Return what the base rule does ``[futures, horizon, U]``, with the queues of now."""

        def decide(x: Any) -> dict[str, Array]:
            there = PrivilegedObservation(params=known.params, state=known.state, x=x)
            return self.base.offload(key, there)

        return jax.vmap(jax.vmap(decide))(rows)

    @property
    def _searched(self) -> int:
        return int(self.weights and self.base.world.shares == "action")

    def _changed(
        self, known: PrivilegedObservation, rule: dict[str, Array], numbers: Array
    ) -> dict[str, Array]:
        """Return the rule's decision after a change by numbers ``[A]``."""
        world = self.base.world
        first = world.users * world.servers
        logits = world.chosen(rule["server"]) + numbers[:first].reshape(world.users, -1)
        server = jnp.argmax(logits, axis=1).astype(jnp.int32)
        if world.shares != "action":
            return {"server": server}
        if not self._searched:
            return self.base.at(server, known)
        changes = numbers[first:].reshape(2, -1)
        names = ("bandwidth", "speed")
        weights = {
            name: jnp.clip(rule[name] + change, *self._range)
            for name, change in zip(names, changes, strict=True)
        }
        return {"server": server, **weights}

    @property
    def _range(self) -> tuple[float, float]:
        return (0.0 if self.base.world.zero_share == "budget" else -1.0), 1.0


__all__ = ["FUTURES", "HORIZON", "SEARCH", "TrueModelPlanner"]
