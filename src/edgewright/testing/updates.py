"""Does a learner's update keep the laws, once and several times? See :func:`check_update`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array
from edgewright.loops.evaluate import observe_fn_of
from edgewright.testing.extremes import shortened
from edgewright.testing.play import natural_rows, play_rows
from edgewright.testing.verdicts import (
    attempt,
    demand,
    difference,
    nan_leaf,
    real,
    same,
    shapes,
    trace,
)

_UPDATES = 4
"""Updates after which a learner must still hold numbers."""


def check_update(learner: Any, world: Any, params: Any, state: Any, keys: Array) -> None:
    """Check that ``update`` keeps the structure, needs its key, and compiles once for all numbers.

    Args:
        keys: ``[2]``, of playing and of learning.
    """
    name = type(learner).__name__
    traces = []

    def plain_learn(learner: Any, params: Any, state: Any, keys: Array) -> Any:
        traces.append(1)
        policy = learner.policy(state, explore=True)
        rows_key, play_key = jax.random.split(keys[0])
        sizes = (learner.rollout_steps, learner.num_envs)
        rows = natural_rows(world, params, rows_key, sizes)
        see = observe_fn_of(policy, world)
        batch = play_rows(world, params, policy, play_key, rows, see)
        return learner.update(keys[1], state, batch)

    learn = jax.jit(plain_learn)
    law = "takes (key, state, batch) and works under jit"
    first = attempt(lambda: learn(learner, params, state, keys), f"{name}.update", law)
    after, log = first
    demand(
        shapes(after) == shapes(state), name, "the state of a learner keeps its structure",
        difference(state, after), "preallocate everything in init, with the dtypes of update",
    )  # fmt: skip
    demand(
        isinstance(log, dict) and all(jnp.shape(value) == () for value in log.values()), name,
        "the log holds scalars", str(jax.tree.map(jnp.shape, log)), "take the mean of each entry",
    )  # fmt: skip
    demand(
        same(first, learn(learner, params, state, keys))
        and traced_alike(plain_learn, learner, params, state, keys), name,
        "the same key and data give the same state", "two updates differ",
        "use no chance but the key (no NumPy, no clock) and no memory but the state",
    )  # fmt: skip
    _check_numbers_stay(name, learn, (learner, params, state, keys))
    demand(
        not same(after, learn(learner, params, state, keys[::-1])[0]), name,
        "another key gives another state", "two keys gave the same",
        "explore, or draw minibatches, with the key",
    )  # fmt: skip
    nudged = jax.tree.map(lambda leaf: leaf * 0.9375 if real(leaf) else leaf, (learner, params))
    count = len(traces)
    learn(*nudged, state, keys)
    demand(
        len(traces) == count, name, "another number does not recompile",
        f"{len(traces)} traces instead of {count}", "declare numbers as leaves, sizes as static",
    )  # fmt: skip


def _check_numbers_stay(name: str, learn: Any, given: tuple[Any, Any, Any, Array]) -> None:
    """Check that no update makes NaN; episodes are short where the world has a horizon."""
    learner, params, state, keys = given
    short = shortened(params)
    for count in range(_UPDATES):
        numbers = params if count == 0 or short is None else short
        state, _ = learn(learner, numbers, state, jax.random.split(keys[1], (_UPDATES, 2))[count])
        leaf = nan_leaf(state)
        demand(
            not leaf, f"{name}.update", "no number of the state is NaN",
            f"NaN in state{leaf} after update {count + 1}",
            "guard divisions and logarithms, clip gradients, or lower the learning rate",
        )  # fmt: skip


def traced_alike(call: Any, *given: Any) -> bool:
    """Return whether two traces of a function give one program with the same constants.

    What does not come from the arguments (NumPy's generator, a clock, a counter) is a constant of
    the program. Caches are cleared, so that a function that is itself compiled is traced again.
    """
    first = trace(call, *given)
    jax.clear_caches()
    return trace(call, *given) == first


__all__ = ["check_update", "traced_alike"]
