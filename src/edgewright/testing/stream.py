"""Does a stream keep the laws? See :func:`check_stream`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.process import check_process
from edgewright.core.records import Array
from edgewright.testing.play import draw, draws
from edgewright.testing.verdicts import attempt, demand, difference, nan_leaf, shapes, trace


def check_stream(stream: Any, *, key: Array | None = None) -> None:
    """Raise unless ``stream`` keeps the laws of :class:`~edgewright.core.protocols.Stream`."""
    check_process()
    name = type(stream).__name__
    keys = jax.random.split(jax.random.key(0) if key is None else key, 5)

    drawn = attempt(lambda: draws(stream, keys), name, "is a pytree, works under jit and vmap")
    carry, after, rows = jax.tree.map(lambda leaf: leaf[0], drawn)
    demand(
        shapes(after) == shapes(carry), name, "the carry of a stream keeps its structure",
        difference(carry, after), "return from take what start returns",
    )  # fmt: skip
    lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(rows)}
    demand(
        lengths == {(5,)}, name, "take(carry, n) returns leaves [n, ...]",
        f"first axes {sorted(lengths)} for n = 5", "put time first in every field",
    )  # fmt: skip
    demand(
        trace(draw, stream, keys[0]) == trace(draw, stream, keys[0]), name,
        "the same carry gives the same rows", "two calls of start and take differ",
        "keep all memory in the carry and none in the stream",
    )  # fmt: skip
    _, one = jax.eval_shape(lambda: stream.next_rows(carry, 1))
    result = [[(shape[1:], dtype) for shape, dtype in shapes(r)[1]] for r in (one, rows)]
    demand(
        result[0] == result[1], name, "a row does not depend on how many are taken",
        f"{result[0]} and {result[1]}", "let only the first axis follow the length",
    )  # fmt: skip
    leaf = nan_leaf(drawn[2])
    demand(
        not leaf, name, "rows never hold NaN", f"NaN in {leaf}", "correct the process of the field"
    )
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(drawn[2])]  # [keys, time, ...]
    chance = any(np.any(leaf != leaf[:1, :1]) for leaf in leaves)
    demand(
        not chance or any(np.any(leaf != leaf[:1]) for leaf in leaves), name,
        "another key gives another record", "five keys gave the same rows",
        "let start use its key, also for a recorded trace (a random phase)",
    )  # fmt: skip
    first = jax.tree.map(lambda leaf: leaf[0], rows)
    resumed = attempt(lambda: jax.eval_shape(stream.resume, keys[1], first), f"{name}.resume",
                   "takes (key, x)")  # fmt: skip
    demand(
        shapes(resumed) == shapes(carry), name, "resume returns a carry like that of start",
        difference(carry, resumed), "build both in one place",
    )  # fmt: skip
