"""Deployed policies that play: the graph of a bundle, and the layers it is made of.

For a graph, the runtime is called from inside the compiled program, once a step for all episodes
together.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.bundle.bundle import Bundle
from edgewright.bundle.interface import Interface
from edgewright.core.records import Array, Decision, record, static
from edgewright.export.heads import Head
from edgewright.export.layers import run


@record
class BundlePolicy:
    """Decide by the graph of a bundle, from the world's own observations."""

    bundle: Bundle = static()

    def init_carry(self, key: Array) -> tuple[()]:
        """Return no memory."""
        return ()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents]``."""
        return carry, Decision(action=self.ask("action", observation), aux=())

    def ask(self, name: str, observation: Array) -> Array:
        """Return an output of the graph for one observation ``[*agents, features]``."""
        interface, engine = self.bundle.interface, self.bundle.engine
        rows = _wide(interface, observation)
        tail = next(one.shape for one in interface.outputs if one.name == name)

        def decide(rows: Any) -> np.ndarray:
            found = engine.many(np.asarray(rows).reshape(-1, interface.columns))[name]
            return found.astype(np.int32).reshape(*np.shape(rows)[:-1], *tail)

        shape = jax.ShapeDtypeStruct((*rows.shape[:-1], *tail), jnp.int32)
        return jax.pure_callback(decide, shape, rows, vmap_method="expand_dims")


@record
class BundleProposer:
    """A bundle whose proposals a world prices, see ``loops.search.BestOfCandidates``."""

    alone: BundlePolicy

    def init_carry(self, key: Array) -> tuple[()]:
        """Return no memory."""
        return ()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return the action ``[agents]`` that is answered when nobody prices."""
        return self.alone.act(key, carry, observation)

    def propose(self, key: Array, observation: Array) -> Array:
        """Return the actions ``[K, agents]`` that the graph proposes, its own first."""
        return self.alone.ask("proposals", observation)


def whole_policy(bundle: Bundle) -> BundlePolicy | BundleProposer:
    """Return a bundle as it is meant to be used: its proposals priced where it has some."""
    alone = BundlePolicy(bundle=bundle)
    return BundleProposer(alone=alone) if bundle.interface.joint else alone


@record
class LayerPolicy:
    """Decide by layers, or at random with a probability: to see what a policy may meet."""

    layers: tuple[Any, ...]
    epsilon: Array | float = 0.0
    head: Head = static()
    interface: Interface = static()

    def init_carry(self, key: Array) -> tuple[()]:
        """Return no memory."""
        return ()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents]``."""
        rows = _wide(self.interface, observation)
        flat = rows.reshape(-1, rows.shape[-1])
        scores = run(self.layers, flat)
        best = self.head(scores, flat)["action"].reshape(observation.shape[:-1])
        chance_key, choice_key = jax.random.split(key)
        chance = jax.random.uniform(chance_key, best.shape)
        other = jax.random.randint(choice_key, best.shape, 0, self.head.chances(scores))
        return carry, Decision(action=jnp.where(chance < self.epsilon, other, best), aux=())


def _wide(interface: Interface, observation: Array) -> Array:
    """Return features as rows hold them: one agent ``[F]``, or all of them ``[agents * F]``."""
    if not interface.joint:
        return observation
    return observation.reshape(*observation.shape[:-2], -1)
