"""Follow every action of a step by the policy itself, on the same inputs.

One step and the critic's value say what an action is worth as far as the critic knows. Here each
action is followed by a rollout of the policy (expert iteration: Anthony, Tian and Barber, NeurIPS
2017; rollouts of a policy: Bertsekas, "Rollout, policy iteration, and distributed reinforcement
learning", 2020), and the critic's value counts after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Policy, World
from edgewright.core.records import Array, record
from edgewright.core.spaces import Discrete
from edgewright.loops.alternatives import of_each


@record
class LookAhead:
    """Ask a loop for all actions, each followed by ``k`` steps of the policy.

    Attributes:
        rows: the ``k`` rows of inputs after those that are played, leaves ``[k, N, ...]``.
    """

    rows: Any


@record
class LaterOutcomes:
    """The outcomes of every action, followed by steps of the policy on the same inputs.

    Attributes:
        reward: ``[*agents, actions, k + 1]``, of the action and of ``k`` steps of the policy after
            it; 0 after an end.
        steps: ``[*agents, actions]``, how many of these steps were taken before an end or a cut.
        ended: ``[*agents, actions]`` bool, whether the world would have terminated in one of them.
        next_observation: ``[*agents, actions, features]``, after the last step that was taken.
    """

    reward: Array
    steps: Array
    ended: Array
    next_observation: Array


def windows(inputs: Any, ahead: LookAhead) -> Any:
    """Return for each step the rows from the next one on, leaves ``[T, N, k + 1, ...]``.

    Args:
        inputs: the rows that follow the current one, leaves ``[T, N, ...]``.
    """

    def of(leaf: Array, more: Array) -> Array:
        joined = jnp.concatenate([leaf, more])
        shifted = [joined[n : n + len(leaf)] for n in range(len(more) + 1)]
        return jnp.stack(shifted, axis=2)

    return jax.tree.map(of, inputs, ahead.rows)


def looked_ahead(
    key: Array,
    world: World,
    params: Any,
    policy: Policy,
    memory: Any,
    now: tuple[Any, Array, Any],
    following: Any,
    observe_fn: Callable[[Any, Any, Any], Any],
) -> LaterOutcomes:
    """Return the outcomes of every action in the place of one, and of the policy after it.

    All actions meet the same inputs and the policy draws by the same keys after each of them
    (common random numbers), so that their differences are free of both. Time and memory are those
    of ``M n (k + 1)`` steps of the world for ``M`` agents with ``n`` actions.

    Args:
        key: of the decision; other draws follow from it.
        policy: decides for all agents after the action.
        memory: of the policy, after its own decision.
        now: state, actions ``[*agents]`` that were taken, and inputs ``x`` of the step.
        following: the inputs of the ``k + 1`` steps after it, leaves ``[k + 1, ...]``.
        observe_fn: what shows the policy the world.
    """
    space = world.action_space(params)
    assert isinstance(space, Discrete), "see alternatives.misfit"
    state, action, x = now
    first, present, later = (
        jax.tree.map(lambda leaf, part=part: leaf[part], following)
        for part in (0, slice(None, -1), slice(1, None))
    )
    keys = jax.random.split(jax.random.fold_in(key, 1), jax.tree.leaves(later)[0].shape[0])

    def own(agent: Array, after: Any, x_next: Any) -> Array:
        shown = world.observe(params, after, x_next)
        return shown.reshape(math.prod(space.shape), -1)[agent]

    def of(agent: Array, choice: Array) -> LaterOutcomes:
        def once(carry: Any, row: Any) -> tuple[Any, tuple[Array, Array]]:
            before, memory, going, ended, shown = carry
            key, x_now, x_next = row
            memory, decision = policy.act(key, memory, observe_fn(params, before, x_now))
            after = world.step(params, before, decision.action, x_now)
            reward = jnp.where(going, after.reward.reshape(-1)[agent], 0.0)
            shown = jnp.where(going, own(agent, after.state, x_next), shown)
            ended = ended | (going & after.terminated)
            on = going & ~after.terminated & ~after.truncated
            return (after.state, memory, on, ended, shown), (reward, going)

        changed = action.reshape(-1).at[agent].set(choice).reshape(space.shape)
        done = world.step(params, state, changed, x)
        going, shown = ~done.terminated & ~done.truncated, own(agent, done.state, first)
        begun = (done.state, memory, going, done.terminated, shown)
        last, (rewards, taken) = jax.lax.scan(once, begun, (keys, present, later))
        reward = jnp.concatenate([done.reward.reshape(-1)[agent][None], rewards])
        return LaterOutcomes(
            reward=reward, steps=1 + jnp.sum(taken), ended=last[3], next_observation=last[4]
        )

    return of_each(space, of)


__all__ = ["LaterOutcomes", "LookAhead", "looked_ahead", "windows"]
