"""Deployed policies that play: the graph of a bundle, and the layers it is made of.

For a graph, the runtime is called from inside the compiled program, once a step for all episodes
together.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array, Decision, record, static
from edgewright.deploy.bundle.bundle import Bundle
from edgewright.deploy.layers import run


@record
class BundlePolicy:
    """Decide by the graph of a bundle, from the world's own features."""

    bundle: Bundle = static()

    def start(self, key: Array) -> tuple[()]:
        """Return no memory."""
        return ()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents]``."""
        scales = jnp.asarray(self.bundle.interface.scales, jnp.float32)
        engine = self.bundle.engine

        def decide(rows: Any) -> np.ndarray:
            flat = np.asarray(rows).reshape(-1, scales.shape[0])
            found = engine.many(flat)["action"]
            return found.astype(np.int32).reshape(np.shape(rows)[:-1])

        shape = jax.ShapeDtypeStruct(observation.shape[:-1], jnp.int32)
        rows = observation * scales
        action = jax.pure_callback(decide, shape, rows, vmap_method="expand_dims")
        return carry, Decision(action=action, aux=())


@record
class LayerPolicy:
    """Decide by layers, or at random with a probability: to see what a policy may meet."""

    layers: tuple[Any, ...]
    scales: Array
    epsilon: Array | float = 0.0

    def start(self, key: Array) -> tuple[()]:
        """Return no memory."""
        return ()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return an action ``[*agents]``."""
        scores = run(self.layers, observation * self.scales)
        best = jnp.argmax(scores, axis=-1).astype(jnp.int32)
        chance_key, choice_key = jax.random.split(key)
        chance = jax.random.uniform(chance_key, best.shape)
        other = jax.random.randint(choice_key, best.shape, 0, scores.shape[-1])
        return carry, Decision(action=jnp.where(chance < self.epsilon, other, best), aux=())
