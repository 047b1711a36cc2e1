"""Keep the latest samples in a preallocated ring, updated in place inside a compiled loop."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.core.records import Array, record


@record
class Replay:
    """The latest ``size`` samples (Lin 1992).

    Attributes:
        rows: any record with leaves ``[size, ...]``.
        head: ``[]`` int32, where the next sample goes.
        filled: ``[]`` int32, how many rows hold a sample.
    """

    rows: Any
    head: Array
    filled: Array


def empty(example: Any, size: int) -> Replay:
    """Return a ring of ``size`` rows like ``example``, with nothing in it."""
    return Replay(
        rows=jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape), leaf.dtype), example),
        head=jnp.zeros((), jnp.int32),
        filled=jnp.zeros((), jnp.int32),
    )


def add(replay: Replay, rows: Any) -> Replay:
    """Return the ring after ``rows`` ``[count, ...]`` took the place of the oldest."""
    size = jax.tree.leaves(replay.rows)[0].shape[0]
    count = jax.tree.leaves(rows)[0].shape[0]
    if count > size:
        raise InputError(
            f"{count} samples between two updates do not fit into {size} rows",
            where="replay",
            hint=f"make the replay at least {count}, or play fewer steps or copies",
        )
    places = (replay.head + jnp.arange(count)) % size
    return Replay(
        rows=jax.tree.map(
            lambda old, new: old.at[places].set(new, unique_indices=True, mode="promise_in_bounds"),
            replay.rows,
            rows,
        ),
        head=(replay.head + count) % size,
        filled=jnp.minimum(replay.filled + count, size),
    )


def draw(key: Array, replay: Replay, shape: tuple[int, ...]) -> Any:
    """Return samples ``[*shape, ...]``, uniform with replacement. Consumes ``key``."""
    places = jax.random.randint(key, shape, 0, replay.filled)
    return jax.tree.map(lambda leaf: leaf[places], replay.rows)
