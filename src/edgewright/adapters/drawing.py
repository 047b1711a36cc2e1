"""Draw the inputs of ``N`` copies of a world in blocks, and hand them out row by row.

A copy's inputs depend on its own number only. Blocks of :data:`ROWS` rows follow one another; few
copies draw several blocks in one call, which changes no number.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.adapters.packing import Layout
from edgewright.core.protocols import Stream
from edgewright.core.records import Array
from edgewright.loops.unroll import next_rows

ROWS = 128
"""Rows of inputs drawn at a time. Another number is another random sequence."""

_AT_ONCE = 2**14
"""About how many rows of all copies together are drawn in one call, in 1 to 16 blocks."""


def row_shapes(stream: Stream[Any]) -> Any:
    """Return the shapes and types of one row of inputs, without drawing one."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    rows = jax.eval_shape(lambda k: stream.next_rows(stream.init_carry(k), 1)[1], key)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), rows)


@functools.partial(jax.jit, static_argnames="layout")
def first_block(stream: Stream[Any], layout: Layout, seeds: Array) -> tuple[Any, Array]:
    """Return the carries of new streams and their first rows as words ``[ROWS, N, words]``."""
    carry = jax.vmap(lambda seed: stream.init_carry(jax.random.key(seed)))(seeds)
    return next_block(stream, layout, carry)


@functools.partial(jax.jit, static_argnames="layout")
def next_block(stream: Stream[Any], layout: Layout, carry: Any) -> tuple[Any, Array]:
    """Return the next carries and the rows that follow as words ``[ROWS, N, words]``."""
    carry, rows = next_rows(stream, carry, ROWS)
    return carry, jax.vmap(jax.vmap(layout.pack))(rows)


class DrawnRows:
    """The inputs of ``N`` copies, a tuple of values a row, in the order of the leaves' elements.

    Values are NumPy scalars where ``columns`` is false and ``N`` is 1, else columns ``[N]``.
    """

    def __init__(self, stream: Stream[Any], layout: Layout, count: int, columns: bool) -> None:
        self._stream, self._layout, self._columns = stream, layout, columns
        self._blocks = max(1, min(16, _AT_ONCE // (ROWS * count)))
        self._dtypes = layout.word_dtypes
        self._carry: Any = None

    def reset(self, numbers: Sequence[int]) -> None:
        """Start new streams, one for each number."""
        self._carry = _carries(self._stream, np.asarray(numbers, np.uint32))
        self._rows: Iterator[tuple[Any, ...]] = iter(())

    def __next__(self) -> tuple[Any, ...]:
        """Return the next row."""
        for row in self._rows:
            return row
        self._carry, words = _columns(self._stream, self._layout, self._carry, self._blocks)
        host = np.asarray(words)
        if not len(host):  # a world without inputs
            self._rows = iter([()] * (self._blocks * ROWS))
        else:
            self._rows = zip(*map(self._values, host, self._dtypes), strict=True)
        return next(self._rows)

    def _values(self, words: np.ndarray, dtype: str) -> list[Any]:
        """Return one word of every row, ``[T, N]``, as a list over rows."""
        values = words != 0 if dtype == "bool" else words.view(dtype)
        return list(values if self._columns else values[:, 0])


@jax.jit
def _carries(stream: Stream[Any], seeds: Array) -> Any:
    return jax.vmap(lambda seed: stream.init_carry(jax.random.key(seed)))(seeds)


@functools.partial(jax.jit, static_argnames=("layout", "blocks"))
def _columns(stream: Stream[Any], layout: Layout, carry: Any, blocks: int) -> tuple[Any, Array]:
    """Return the next carries, and words ``[words, blocks * ROWS, N]``."""
    carry, rows = jax.lax.scan(lambda now, _: next_block(stream, layout, now), carry, length=blocks)
    return carry, jnp.moveaxis(rows.reshape(blocks * ROWS, *rows.shape[2:]), -1, 0)
