"""Pack records into vectors of 32-bit words, so that one array crosses the border, not forty.

A compiled step of one small world takes less time than handing its arguments over: every array
costs about a microsecond each way. Packed, a step takes five arrays and returns two.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records import Array

_WORD = 4  # bytes


@dataclass(frozen=True)
class Layout:
    """The position of each leaf of a record in a vector of words. Hashable.

    Attributes:
        structure: the tree.
        shapes, dtypes: of its leaves, which are bool or 32 bits wide.
    """

    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]

    @classmethod
    def of(cls, example: Any) -> Layout:
        """Return the layout of a record of arrays, or of what ``jax.eval_shape`` says of one.

        Raises:
            InputError: a leaf is neither bool nor 32 bits wide.
        """
        leaves, structure = jax.tree.flatten(example)
        for leaf in leaves:
            if leaf.dtype != bool and np.dtype(leaf.dtype).itemsize != _WORD:
                hint = "use float32, int32, uint32 or bool"
                raise InputError(f"a leaf of {structure} is {leaf.dtype}", hint=hint)
        return cls(
            structure=structure,
            shapes=tuple(tuple(leaf.shape) for leaf in leaves),
            dtypes=tuple(np.dtype(leaf.dtype).name for leaf in leaves),
        )

    def pack(self, tree: Any) -> Array:
        """Return the words ``[size]`` of a record."""
        words = [
            leaf.astype(jnp.uint32)
            if leaf.dtype == bool
            else jax.lax.bitcast_convert_type(leaf, jnp.uint32)
            for leaf in map(jnp.asarray, jax.tree.leaves(tree))
        ]
        empty = jnp.zeros(0, jnp.uint32)  # a world may have no numbers, or no state
        return jnp.concatenate([empty, *(word.reshape(-1) for word in words)])

    def unpack(self, words: Array) -> Any:
        """Return the record of words ``[size]``."""
        leaves = []
        for shape, dtype, begin, end in self._places:
            part = words[begin:end].reshape(shape)
            is_bool = dtype == "bool"
            leaves.append(part != 0 if is_bool else jax.lax.bitcast_convert_type(part, dtype))
        return jax.tree.unflatten(self.structure, leaves)

    def read(self, words: np.ndarray) -> Any:
        """Return the record of words ``[..., size]`` on the host; leaves ``[..., *shape]``."""
        leaves = []
        for shape, dtype, begin, end in self._places:
            part = words[..., begin:end]
            values = part != 0 if dtype == "bool" else part.view(dtype)
            leaves.append(values.reshape(*words.shape[:-1], *shape))
        return jax.tree.unflatten(self.structure, leaves)

    def shapes_of(self) -> Any:
        """Return the record with the shape and type of each leaf instead of its values."""
        pairs = zip(self.shapes, self.dtypes, strict=True)
        leaves = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in pairs]
        return jax.tree.unflatten(self.structure, leaves)

    @property
    def word_dtypes(self) -> list[str]:
        """Return the type of every word."""
        sizes = [math.prod(shape) for shape in self.shapes]
        pairs = zip(self.dtypes, sizes, strict=True)
        return [dtype for dtype, size in pairs for _ in range(size)]

    @functools.cached_property
    def _places(self) -> list[tuple[tuple[int, ...], str, int, int]]:
        places, begin = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            end = begin + math.prod(shape)
            places.append((shape, dtype, begin, end))
            begin = end
        return places
