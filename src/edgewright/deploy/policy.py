"""A bundle as a policy: the deployed graph itself plays in a world.

The runtime is called from inside the compiled program, once a step for all episodes together.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array, Decision, record, static
from edgewright.deploy.bundle.bundle import Bundle


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
