"""Repeat a round of a training within one compiled program, with a log of each round."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array


def repeated(once: Any, training: Any, iterations: Array, chunk: int) -> Any:
    """Return ``once`` done ``iterations`` times, and its logs ``[chunk]``."""
    shapes = jax.eval_shape(once, training)[1]
    empty = {name: jnp.zeros(chunk, leaf.dtype) for name, leaf in shapes.items()}

    def body(index: Array, carry: Any) -> Any:
        training, logs = carry
        training, log = once(training)
        return training, {name: logs[name].at[index].set(log[name]) for name in logs}

    return jax.lax.fori_loop(0, iterations, body, (training, empty))
