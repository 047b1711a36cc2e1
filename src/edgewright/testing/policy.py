"""Does a policy keep the laws? See :func:`check_policy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.process import check_process
from edgewright.core.records import Array, Decision
from edgewright.testing.extremes import HORIZON, draw_rows, play_moments, shortened
from edgewright.testing.play import decide, first_input
from edgewright.testing.verdicts import attempt, close, demand, same, shapes
from edgewright.testing.world import check_action


def check_policy(
    policy: Any,
    world: Any,
    params: Any,
    *,
    key: Array | None = None,
    observe_fn: Callable[[Any, Any, Any], Any] | None = None,
) -> None:
    """Raise unless ``policy`` keeps the laws of :class:`~edgewright.core.protocols.Policy`.

    Args:
        policy: decides in ``world``.
        world: one that passes :func:`check_world`.
        params: its numbers.
        key: consumed.
        observe_fn: ``(params, state, x) -> observation`` for a policy that observes more than
            ``world.observe`` gives; ``world.observe`` if absent.
    """
    check_process()
    name = type(policy).__name__
    stream_key, start_key, act_key = jax.random.split(jax.random.key(0) if key is None else key, 3)
    see = observe_fn or world.observe
    x = first_input(world.inputs(params), stream_key)
    observation = see(params, world.reset(params, x), x)
    carry = attempt(lambda: policy.init_carry(start_key), f"{name}.start", "takes (key)")
    result = attempt(lambda: policy.act(act_key, carry, observation), f"{name}.act",
                  "takes (key, carry, observation)")  # fmt: skip
    demand(
        isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Decision), name,
        "act returns (carry, Decision)", f"a {type(result).__name__}",
        "return carry, Decision(action=action, aux=())",
    )  # fmt: skip
    memory, decision = result
    demand(
        shapes(memory) == shapes(carry), name, "the memory of a policy keeps its structure",
        f"{shapes(carry)} became {shapes(memory)}",
        "return from act what start returns, with the same shapes and dtypes",
    )  # fmt: skip
    space = world.action_space(params)
    again = policy.act(act_key, carry, observation)
    demand(
        same(again, result), name, "the same key and observation give the same decision",
        "two calls of act differ", "use no chance but the key and no memory but the carry",
    )  # fmt: skip
    check_action(name, space, decision.action)

    keys = jnp.stack([act_key, *jax.random.split(start_key, 31)])
    decided = attempt(lambda: decide(policy, keys, carry, observation)[1].action, name,
                   "works under jit and vmap, and is a pytree")  # fmt: skip
    each = [jax.tree.map(lambda leaf, at=at: leaf[at], decided) for at in range(len(keys))]
    for action in each:
        check_action(name, space, action)
    demand(
        close(each[0], decision.action), name, "compiled decisions equal plain ones",
        f"{each[0]} and {decision.action}", "branch with jnp.where, not with if",
    )  # fmt: skip
    _check_extremes(policy, world, shortened(params) or params, start_key, observe_fn)


def _check_extremes(
    policy: Any, world: Any, params: Any, key: Array, observe_fn: Callable[..., Any] | None
) -> None:
    """Check every action of a play with extreme inputs, over the end of an episode."""
    rows = draw_rows(world, params, key, sizes=(2 * HORIZON + 1, 6), extreme=True)
    played = play_moments(world, params, policy, key, rows, observe_fn)
    actions, space = jax.tree.map(np.asarray, played.action), world.action_space(params)
    for at in np.ndindex(played.terminated.shape):
        action = jax.tree.map(lambda leaf, at=at: leaf[at], actions)
        check_action(type(policy).__name__, space, action)
