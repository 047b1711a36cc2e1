"""Format the messages of checks, and compare shapes and values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import CheckFailed

TOLERANCE = 1e-4
"""Largest difference, relative and absolute, between compiled and plain results."""


def trace(call: Callable[..., Any], *arguments: Any) -> tuple[str, list[bytes]]:
    """Return the program of ``call`` with its constants: an impure call gives another each time."""
    traced = jax.make_jaxpr(lambda *given: call(*given))(*arguments)  # a new function: no cache
    program = re.sub(r" at 0x[0-9a-f]+", "", str(traced.jaxpr))  # places of functions in memory
    return program, [np.asarray(constant).tobytes() for constant in traced.consts]


def broken(subject: str, law: str, result: str, remedy: str) -> CheckFailed:
    """Return the error of a broken law: what was found, and the remedy."""
    return CheckFailed(f"{subject} breaks a law: {law}.\nfound: {result}\nremedy: {remedy}")


def demand(holds: Any, subject: str, law: str, result: str, remedy: str) -> None:
    """Raise unless a law holds."""
    if not holds:
        raise broken(subject, law, result, remedy)


def attempt(call: Callable[[], Any], subject: str, law: str) -> Any:
    """Return what ``call`` returns; let an error of any kind say which law it breaks."""
    try:
        return call()
    except CheckFailed:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        remedy = "compare with core.protocols; under jit an array has no value: use jnp.where"
        raise broken(subject, law, f"{type(error).__name__}: {first}", remedy) from error


def shapes(tree: Any) -> tuple[Any, list[tuple[tuple[int, ...], Any]]]:
    """Return the structure of a record and the shape and dtype of each leaf."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(jnp.shape(leaf), dtype(leaf)) for leaf in leaves]


def dtype(leaf: Any) -> Any:
    """Return the dtype of a leaf, also of a Python number."""
    return leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)


def plain(tree: Any) -> Any:
    """Replace random keys by their words, which NumPy can hold."""
    return jax.tree.map(
        lambda leaf: (
            jax.random.key_data(leaf)
            if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else leaf
        ),
        tree,
    )


def same(one: Any, other: Any) -> bool:
    """Return whether two records are equal to the last bit."""
    pairs = (jax.tree.leaves(plain(one)), jax.tree.leaves(plain(other)))
    return len(pairs[0]) == len(pairs[1]) and all(
        np.array_equal(np.asarray(a), np.asarray(b), equal_nan=real(a))
        for a, b in zip(*pairs, strict=True)
    )


def close(one: Any, other: Any) -> bool:
    """Return whether two records are equal up to rounding."""
    pairs = zip(jax.tree.leaves(plain(one)), jax.tree.leaves(plain(other)), strict=True)
    return all(
        np.allclose(np.asarray(a), np.asarray(b), TOLERANCE, TOLERANCE, equal_nan=True)
        for a, b in pairs
    )


def real(leaf: Any) -> bool:
    """Return whether a leaf holds floating-point numbers."""
    return bool(np.issubdtype(np.asarray(leaf).dtype, np.floating))


def difference(one: Any, other: Any) -> str:
    """Return in words the first place where two records differ in structure, dtype or value."""
    named = [jax.tree_util.tree_flatten_with_path(tree)[0] for tree in (one, other)]
    if [path for path, _ in named[0]] != [path for path, _ in named[1]]:
        return f"{jax.tree.structure(one)} became {jax.tree.structure(other)}"
    for (path, a), (_, b) in zip(*named, strict=True):
        where = jax.tree_util.keystr(path)
        if shapes(a) != shapes(b):
            return f"{where}: {shapes(a)[1][0]} became {shapes(b)[1][0]}"
        if isinstance(b, jax.Array) and not close(a, b):
            return f"{where}: {a} and {b}"
    return "nothing"


def nan_leaf(tree: Any) -> str:
    """Return where a record holds NaN, as ``.queue``; empty if it does nowhere."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(plain(tree))[0]:
        if real(leaf) and np.isnan(np.asarray(leaf)).any():
            return jax.tree_util.keystr(path)
    return ""
