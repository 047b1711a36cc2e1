"""Turn pytrees of JAX arrays into NumPy arrays, which processes exchange, and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class KeyData:
    """The words of random keys, ``[..., 2]``."""

    words: np.ndarray


def plain(tree: Any) -> Any:
    """Return a pytree with NumPy arrays as leaves, and random keys as :class:`KeyData`."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return KeyData(np.asarray(jax.random.key_data(leaf)))
        return np.asarray(leaf)

    return jax.tree.map(one, tree)


def restored(tree: Any) -> Any:
    """Return what :func:`plain` was given."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, KeyData):
            return jax.random.wrap_key_data(jnp.asarray(leaf.words))
        return jnp.asarray(leaf)

    return jax.tree.map(one, tree, is_leaf=lambda leaf: isinstance(leaf, KeyData))


def rows(tree: Any, part: slice) -> Any:
    """Return some rows of all leaves ``[M, ...]`` of a plain pytree."""

    def one(leaf: Any) -> Any:
        return KeyData(leaf.words[part]) if isinstance(leaf, KeyData) else leaf[part]

    return jax.tree.map(one, tree, is_leaf=lambda leaf: isinstance(leaf, KeyData))


def joined(trees: list[Any]) -> Any:
    """Return plain pytrees with leaves ``[k, ...]`` as one with leaves ``[M, ...]``."""

    def one(*leaves: Any) -> Any:
        if isinstance(leaves[0], KeyData):
            return KeyData(np.concatenate([leaf.words for leaf in leaves]))
        return np.concatenate(leaves)

    return jax.tree.map(one, *trees, is_leaf=lambda leaf: isinstance(leaf, KeyData))


__all__ = ["KeyData", "joined", "plain", "restored", "rows"]
