"""Does a learner keep the laws? See :func:`check_learner`."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.process import check_process
from edgewright.core.records import Array
from edgewright.loops.evaluate import observe_fn_of
from edgewright.testing.policy import check_policy
from edgewright.testing.updates import check_update, traced_alike
from edgewright.testing.verdicts import attempt, demand, nan_leaf, plain, same, trace

_DRAWS = ("random_bits", "threefry2x32", "random_gamma")
"""Operations of a program that draw from a random key."""


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

    def begin(learner: Any, key: Array) -> Any:
        return learner.init(key, space, world.action_space(params))

    law = (
        "takes (key, observations, actions), two spaces, and works under jit; a learner is a pytree"
    )
    state = attempt(lambda: jax.jit(begin)(learner, init_key), f"{name}.init", law)
    _check_init(name, begin, learner, (init_key, other_key))

    before = jax.tree.map(lambda leaf: np.array(leaf), plain(state))
    for explore in (True, False):
        policy = attempt(lambda e=explore: learner.policy(state, explore=e), f"{name}.policy",
                      "takes (state, explore)")  # fmt: skip
        see = observe_fn_of(policy, world)
        check_policy(policy, world, params, key=play_key, observe_fn=see)
    demand(
        same(before, plain(state)), name, "acting does not change the state",
        "the state differs after act", "let the policy hold a copy of what it needs",
    )  # fmt: skip

    check_update(learner, world, params, state, jnp.stack([play_key, learn_key]))


def _check_init(name: str, begin: Any, learner: Any, keys: tuple[Array, Array]) -> None:
    """Check that the first state is a function of the key alone. It may be the same for all keys.

    Args:
        begin: (learner, key) to the first state.
    """
    first, again, other = (jax.jit(begin)(learner, key) for key in (keys[0], *keys))
    program, _ = trace(begin, learner, keys[0])
    chance = any(word in program for word in _DRAWS)
    alike = same(first, again) and traced_alike(begin, learner, keys[0])
    demand(
        alike and not (chance and same(first, other)), name,
        "init depends on its key, and on nothing else",
        "equal keys differ, or what is drawn is the same for all keys",
        "draw the first weights from the key alone, without NumPy, a clock or a counter",
    )  # fmt: skip
    leaf = nan_leaf(first)
    demand(
        not leaf, f"{name}.init", "no number of the state is NaN", f"NaN in state{leaf}",
        "start with finite numbers",
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
