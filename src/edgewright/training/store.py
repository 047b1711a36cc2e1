"""Store each run in a folder that survives a kill at any moment.

    run.json          the request: schema, version, resolved scenario, learner, steps, seeds
    seed-0/
      metrics.jsonl   the learner's logs, as they come
      evaluation.jsonl  the greedy policy on the evaluation episodes, at equal shares of the steps
      checkpoint.npz  the whole training after the last chunk, and how far the logs had come
      checkpoint.previous.npz  the same a chunk before, for when the newest is damaged
    result.json       the scores, written last

Every file is written beside its place and moved into it, so a reader sees the old or the new file,
never half of one. Each carries its hash (:mod:`edgewright.core.sealed`), and a checkpoint the hash
of the logs up to it and of the request it belongs to.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.sealed import load_arrays, save_arrays

T = TypeVar("T")
LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training into the same folder.

    Raises:
        InputError: another process is at it.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with open(folder / LOCK, "w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                message = "another process is training here"
                hint = "wait for it, stop it, or choose another --out"
                raise InputError(message, where=str(folder), hint=hint) from None
            yield
    finally:
        if made and not (folder / "run.json").exists():
            (folder / LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()


def save_tree(path: Path, tree: Any, facts: dict[str, Any]) -> None:
    """Save the leaves of a pytree with a hash of all their bytes."""
    save_arrays(path, {name: np.asarray(leaf) for name, leaf in _named(tree).items()}, facts)


def load_tree(path: Path, like: T) -> tuple[T, dict[str, Any]]:
    """Load what :func:`save_tree` saved into the structure of ``like``.

    Raises:
        InputError: the file is missing, cut, altered, or of another structure.
    """
    arrays, facts = load_arrays(path, "checkpoint", _AGAIN)
    wanted = _named(like)
    shapes = {name: (np.shape(leaf), np.asarray(leaf).dtype) for name, leaf in wanted.items()}
    stored = {name: (leaf.shape, leaf.dtype) for name, leaf in arrays.items()}
    if shapes != stored:
        odd = sorted(set(shapes.items()) ^ set(stored.items()), key=str)[0][0]
        message = f"the checkpoint has another structure, first at '{odd}'"
        raise InputError(message, where=str(path), hint="it belongs to another learner or scenario")
    leaves, structure = jax.tree.flatten(like)
    names = list(wanted)
    restored = [
        jax.random.wrap_key_data(jnp.asarray(arrays[name]))
        if _is_key(leaf)
        else jnp.asarray(arrays[name])
        for name, leaf in zip(names, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, restored), facts


_AGAIN = "delete the folder of this seed and train again: only this seed is lost"


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _named(tree: Any) -> dict[str, Any]:
    pairs = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path): jax.random.key_data(leaf) if _is_key(leaf) else leaf
        for path, leaf in pairs
    }
