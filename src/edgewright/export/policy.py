"""Run deployed policies in worlds, as the graph of a bundle or as its layers.

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
from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.core.spaces import Box
from edgewright.export.heads import Head
from edgewright.export.layers import run
from edgewright.nets.actions import greedy_action


@record
class BundlePolicy(Memoryless):
    """Decide by the graph of a bundle, from the world's own observations."""

    bundle: Bundle = static()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents]``: the output ``action``, or a record of all outputs."""
        names = tuple(output.name for output in self.bundle.interface.outputs)
        observation = _with_noise(key, self.bundle.interface, observation)
        if "action" in names:
            return carry, Decision(action=self.ask(("action",), observation)["action"], aux=())
        return carry, Decision(action=self.ask(names, observation), aux=())

    def ask(self, names: tuple[str, ...], observation: Array) -> dict[str, Array]:
        """Return outputs of the graph by name for one observation ``[*agents, features]``.

        The normal numbers of a policy that draws come after the features.
        """
        interface, engine = self.bundle.interface, self.bundle.engine
        rows = _wide(interface, observation)
        kinds = {"integer": jnp.int32, "number": jnp.float32}
        asked = [output for output in interface.outputs if output.name in names]

        def decide(rows: Any) -> dict[str, np.ndarray]:
            result = engine.many(np.asarray(rows).reshape(-1, interface.columns))
            return {
                one.name: result[one.name]
                .astype(kinds[one.kind])
                .reshape((*np.shape(rows)[:-1], *one.shape))
                for one in asked
            }

        shapes = {
            one.name: jax.ShapeDtypeStruct((*rows.shape[:-1], *one.shape), kinds[one.kind])
            for one in asked
        }
        return jax.pure_callback(decide, shapes, rows, vmap_method="expand_dims")


@record
class BundleProposer(Memoryless):
    """A bundle whose proposals a world prices, see ``loops.search.BestOfCandidates``."""

    alone: BundlePolicy

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return the action ``[agents]`` that is answered when nobody prices."""
        return self.alone.act(key, carry, observation)

    def propose(self, key: Array, observation: Array) -> Array:
        """Return the actions ``[K, agents]`` that the graph proposes, its own first."""
        return self.alone.ask(("proposals",), observation)["proposals"]


def whole_policy(bundle: Bundle) -> BundlePolicy | BundleProposer:
    """Return a bundle as it is meant to be used: its proposals priced where it has some."""
    alone = BundlePolicy(bundle=bundle)
    return BundleProposer(alone=alone) if bundle.interface.joint else alone


@record
class LayerPolicy(Memoryless):
    """Decide by layers, or at random with a probability: to see what a policy may meet."""

    layers: tuple[Any, ...]
    epsilon: Array | float = 0.0
    head: Head = static()
    interface: Interface = static()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents]``, or a record of them; each entry explores by itself."""
        agents = observation.shape[:-1]
        extended = _with_noise(jax.random.fold_in(key, 1), self.interface, observation)
        rows = _wide(self.interface, extended)
        flat = rows.reshape(-1, rows.shape[-1])
        scores = run(self.layers, flat)
        best = self.head.action(self.head(scores, flat), agents)
        chance_key, choice_key = jax.random.split(key)
        other = self.head.action(self.head.anything(choice_key, len(flat), scores), agents)
        chance = jax.random.uniform(chance_key, agents)

        def mixed(best: Array, other: Array) -> Array:
            wide = chance.reshape(*agents, *[1] * (best.ndim - len(agents)))
            return jnp.where(wide < self.epsilon, other, best)

        return carry, Decision(action=jax.tree.map(mixed, best, other), aux=())


@record
class NumbersPolicy(Memoryless):
    """Decide numbers by layers whose scores become the numbers of a box, one decision maker."""

    layers: tuple[Any, ...]
    space: Box = static()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action of the box's shape."""
        return carry, Decision(
            action=greedy_action(self.space, run(self.layers, observation)), aux=()
        )


def _with_noise(key: Array, interface: Interface, observation: Array) -> Array:
    """Return an observation with the normal numbers of a policy that draws behind it."""
    if not interface.draws:
        return observation
    noise = jax.random.normal(key, (*observation.shape[:-1], interface.draws))
    return jnp.concatenate([observation, noise], axis=-1)


def _wide(interface: Interface, observation: Array) -> Array:
    """Return features as rows hold them: one agent ``[F]``, or all of them ``[agents * F]``."""
    if not interface.joint:
        return observation
    return observation.reshape(*observation.shape[:-2], -1)
