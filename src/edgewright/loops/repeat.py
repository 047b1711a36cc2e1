"""Repeat a round of a training within one compiled program, with a log of each round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array

Program = Callable[[Any, Array], tuple[Any, dict[str, Array]]]
"""(training, rounds) to the training after these rounds and the logs of each round."""


def compile_rounds(advance: Any, world: Any, arguments: Any, example: Any, chunk: int) -> Program:
    """Compile a training loop for any number of rounds up to ``chunk``.

    Args:
        advance: jitted, called as ``advance(world, *arguments, training, rounds, chunk)``.
        world: static.
        arguments: what stays the same over the training.
        example: a training, or its shapes.
        chunk: static; the length of the logs.
    """
    program = advance.lower(world, *arguments, example, jnp.int32(1), chunk).compile()
    return lambda training, rounds: program(*arguments, training, rounds)


def repeated(once: Any, training: Any, iterations: Array, chunk: int) -> Any:
    """Return ``once`` done ``iterations`` times, and its logs ``[chunk]``."""
    shapes = jax.eval_shape(once, training)[1]
    empty = {name: jnp.zeros(chunk, leaf.dtype) for name, leaf in shapes.items()}

    def body(index: Array, carry: Any) -> Any:
        training, logs = carry
        training, log = once(training)
        return training, {name: logs[name].at[index].set(log[name]) for name in logs}

    return jax.lax.fori_loop(0, iterations, body, (training, empty))
