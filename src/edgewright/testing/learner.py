"""Does a learner keep the laws? See :func:`check_learner`."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.process import check_process
from edgewright.core.records import Array
from edgewright.testing.play import play_games
from edgewright.testing.policy import check_policy
from edgewright.testing.verdicts import attempt, demand, difference, plain, same, shapes


def check_learner(learner: Any, world: Any, params: Any, *, key: Array | None = None) -> None:
    """Raise unless ``learner`` keeps the laws of :class:`~edgewright.core.protocols.Learner`.

    Args:
        learner: a record whose numbers are leaves.
        world: one that passes :func:`check_world`.
        params: its numbers.
        key: consumed.
    """
    check_process()
    name = type(learner).__name__
    init_key, other_key, play_key, learn_key = jax.random.split(
        jax.random.key(0) if key is None else key, 4
    )
    check_numbers(learner)
    space = world.observation_space(params)

    @jax.jit
    def begin(learner: Any, key: Array) -> Any:
        return learner.init(key, space, world.action_space(params))

    law = (
        "takes (key, observations, actions), two spaces, and works under jit; a learner is a pytree"
    )
    state = attempt(lambda: begin(learner, init_key), f"{name}.init", law)
    demand(
        same(begin(learner, init_key), state) and not same(begin(learner, other_key), state),
        name, "init depends on its key, and on nothing else", "equal keys differ, or others agree",
        "draw the first weights from the key alone",
    )  # fmt: skip

    before = jax.tree.map(lambda leaf: np.array(leaf), plain(state))
    for explore in (True, False):
        policy = attempt(lambda e=explore: learner.policy(state, explore=e), f"{name}.policy",
                      "takes (state, explore)")  # fmt: skip
        check_policy(policy, world, params, key=play_key)
    demand(
        same(before, plain(state)), name, "acting does not change the state",
        "the state differs after act", "let the policy hold a copy of what it needs",
    )  # fmt: skip

    _check_update(learner, world, params, state, jnp.stack([play_key, learn_key]))


def _check_update(learner: Any, world: Any, params: Any, state: Any, keys: Array) -> None:
    """Check that ``update`` keeps the structure, needs its key, and compiles once for all numbers.

    Args:
        keys: ``[2]``, of playing and of learning.
    """
    name = type(learner).__name__
    traces = []

    @jax.jit
    def learn(learner: Any, params: Any, state: Any, keys: Array) -> Any:
        traces.append(1)
        policy = learner.policy(state, explore=True)
        sizes = (learner.rollout_steps, learner.num_envs)
        batch = play_games(world, params, policy, keys[0], sizes)
        return learner.update(keys[1], state, batch)

    first = attempt(lambda: learn(learner, params, state, keys), f"{name}.update",
                 "takes (key, state, batch) and works under jit")  # fmt: skip
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
        same(first, learn(learner, params, state, keys)), name,
        "the same key and data give the same state", "two updates differ",
        "use no chance but the key and no memory but the state",
    )  # fmt: skip
    demand(
        not same(after, learn(learner, params, state, keys[::-1])[0]), name,
        "another key gives another state", "two keys gave the same",
        "explore, or draw minibatches, with the key",
    )  # fmt: skip
    nudged = jax.tree.map(lambda leaf: leaf * 0.9375, (learner, params))
    count = len(traces)
    learn(*nudged, state, keys)
    demand(
        len(traces) == count, name, "another number does not recompile",
        f"{len(traces)} traces instead of {count}", "declare numbers as leaves, sizes as static",
    )  # fmt: skip


def check_numbers(learner: Any) -> None:
    """Check that sizes are whole numbers and that no other number is part of the structure."""
    name = type(learner).__name__
    for size in ("num_envs", "rollout_steps"):
        value = getattr(learner, size, None)
        demand(
            isinstance(value, int) and value > 0, name, f"{size} is a positive whole number",
            repr(value), f"declare {size}: int = static(default=16)",
        )  # fmt: skip
    fields = dataclasses.fields(learner) if dataclasses.is_dataclass(learner) else ()
    for field in fields:
        value = getattr(learner, field.name)
        demand(
            not (field.metadata.get("static", False) and isinstance(value, float)), name,
            "numbers are leaves, sizes are static", f"{field.name} = {value} is static",
            "declare it without static(): another value must not recompile",
        )  # fmt: skip
