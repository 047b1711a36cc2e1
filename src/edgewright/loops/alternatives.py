"""Evaluate every action of a step on the same inputs: what each would have led to.

A world rolls no dice, so the outcome of an action that was not taken is known exactly once the
inputs are. A learner that is given all outcomes needs no estimate of the advantage from sampled
actions. Differences between actions are free of the chance in the inputs, which meets all of them
(input-driven processes: Mao et al., ICLR 2019; all-action policy gradients: Ciosek and Whiteson,
AAAI 2018; exogenous inputs in hindsight: Sinclair et al., ICML 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.protocols import World
from edgewright.core.records import Array, record
from edgewright.core.spaces import Discrete, Space

MAX_ACTIONS = 256
"""Most actions of one agent; every sample costs as many steps of the world."""

MAX_STEPS = 4096
"""Most steps of the world in the place of one: agents times actions. A step grows with the agents
itself, so that a city of hundreds of devices would need gigabytes for one slot."""

MAX_OBSERVATIONS = 16384
"""Most observations for one slot where actions count by what they lead to for all agents."""


@record
class Alternatives:
    """The outcomes of every action ``a`` of each agent, while all others do what they did.

    Attributes:
        reward: ``[*agents, actions]``, the agent's own.
        ended: ``[*agents, actions]`` bool, whether the world would have terminated.
        next_observation: ``[*agents, actions, features]``, the agent's own.
        team: :class:`TeamOutcomes` where they are asked for.
        later: :class:`~edgewright.loops.look_ahead.LaterOutcomes` where the loop looks further.
    """

    reward: Array
    ended: Array
    next_observation: Array
    team: Any = ()
    later: Any = ()


@record
class TeamOutcomes:
    """The outcomes of every action of one agent, for all agents.

    Attributes:
        reward: ``[*agents, actions, M]``, of each of the ``M`` agents.
        next_observation: ``[*agents, actions, M, features]``.
    """

    reward: Array
    next_observation: Array


def misfit(actions: Space, team: bool = False) -> str:
    """Return why not every action can be evaluated; empty if it can.

    Args:
        team: whether the outcomes for all agents are wanted.
    """
    if not isinstance(actions, Discrete):
        return "it evaluates every action, so its actions must be Discrete"
    if actions.n > MAX_ACTIONS:
        return f"it evaluates every action, so there must be at most {MAX_ACTIONS}; got {actions.n}"
    agents = math.prod(actions.shape)
    if agents * actions.n > MAX_STEPS:
        product = f"{agents} x {actions.n}"
        return f"it evaluates every action of every agent, at most {MAX_STEPS}; got {product}"
    if team and agents**2 * actions.n > MAX_OBSERVATIONS:
        product = f"{agents} x {agents} x {actions.n}"
        return (
            f"it evaluates what each action leads to for all agents, at most {MAX_OBSERVATIONS} "
            f"observations; got {product}"
        )
    return ""


def alternatives(
    world: World,
    params: Any,
    state: Any,
    action: Array,
    x: Any,
    x_next: Any,
    team: bool = False,
) -> Alternatives:
    """Return the outcomes of every action in the place of the one that was taken.

    Memory and time are those of ``M n`` steps of the world for ``M`` agents with ``n`` actions.

    Args:
        state, x: what the action was taken in.
        action: ``[*agents]``, the actions that were taken.
        x_next: the inputs of the next step, which observations show.
        team: whether the outcomes for all agents are returned, too.
    """
    space = world.action_space(params)
    assert isinstance(space, Discrete), "see misfit"
    agents, count = space.shape, math.prod(space.shape)

    def of(agent: Array, choice: Array) -> Alternatives:
        changed = action.reshape(-1).at[agent].set(choice).reshape(agents)
        outcome = world.step(params, state, changed, x)
        following = world.observe(params, outcome.state, x_next).reshape(count, -1)
        rewards = outcome.reward.reshape(-1)
        return Alternatives(
            reward=rewards[agent],
            ended=outcome.terminated,
            next_observation=following[agent],
            team=TeamOutcomes(reward=rewards, next_observation=following) if team else (),
        )

    return of_each(space, of)


def of_each(space: Discrete, of: Callable[[Array, Array], Any]) -> Any:
    """Return a function of each agent and choice, leaves ``[*agents, actions, ...]``."""
    agents = jnp.arange(math.prod(space.shape))
    choices = jnp.arange(space.n, dtype=jnp.int32)
    each = jax.vmap(jax.vmap(of, (None, 0)), (0, None))(agents, choices)
    return jax.tree.map(lambda leaf: leaf.reshape(*space.shape, *leaf.shape[1:]), each)


__all__ = ["MAX_ACTIONS", "MAX_STEPS", "Alternatives", "TeamOutcomes", "alternatives", "misfit"]
__all__ += ["of_each"]
