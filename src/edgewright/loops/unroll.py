"""Unroll policies in worlds. Episodes are reset here and nowhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Policy, Stream, World
from edgewright.core.records import Array, Outcome, Trajectory, record
from edgewright.loops.alternatives import alternatives
from edgewright.loops.look_ahead import LookAhead, looked_ahead, windows

ObserveFn = Callable[[Any, Any, Any], Any]


@record
class RolloutState:
    """The state of ``N`` environments between two unrolls. Every leaf is ``[N, ...]``."""

    state: Any
    memory: Any
    x: Any


def next_rows(stream: Stream[Any], carry: Any, length: int) -> tuple[Any, Any]:
    """Return the next carries ``[N, ...]`` and inputs ``[length, N, ...]`` of ``N`` streams."""
    return jax.vmap(lambda one: stream.next_rows(one, length), out_axes=(0, 1))(carry)


def init_rollout(key: Array, world: World, params: Any, policy: Policy, x: Any) -> RolloutState:
    """Start ``N`` episodes whose first inputs are ``x`` ``[N, ...]``. Consumes ``key``."""
    envs = jax.tree.leaves(x)[0].shape[0]
    return RolloutState(
        state=jax.vmap(lambda one: world.reset(params, one))(x),
        memory=jax.vmap(policy.init_carry)(jax.random.split(key, envs)),
        x=x,
    )


def step_and_reset(
    world: World, params: Any, state: Any, action: Any, x: Any, x_next: Any
) -> tuple[Outcome, Any]:
    """Step one game and return the outcome and the state to go on from.

    Where the episode ends, that is the first state of a new episode, whose first input is
    ``x_next``; ``outcome.state`` is the last one of the old episode.
    """
    outcome = world.step(params, state, action, x)
    done = outcome.terminated | outcome.truncated
    return outcome, select(done, world.reset(params, x_next), outcome.state)


def select(condition: Array, new: Any, old: Any) -> Any:
    """Return the leaves of ``new`` where the condition holds, else those of ``old``."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def unroll(
    key: Array,
    world: World,
    params: Any,
    policy: Policy,
    envs: RolloutState,
    inputs: Any,
    *,
    observe_fn: ObserveFn | None = None,
    all_actions: bool | Literal["team"] | LookAhead = False,
) -> tuple[RolloutState, Trajectory]:
    """Play ``N`` games for ``T`` steps.

    Args:
        key: consumed; split in bulk before the loop, once per step and game.
        world, params: the physics, shared by all games.
        policy: decides; it is restarted with a fresh key wherever an episode ends.
        envs: where the games stand, see :func:`init_rollout`.
        inputs: the rows that *follow* the current one, leaves ``[T, N, ...]``.
        observe_fn: ``(params, state, x) -> observation``; ``world.observe`` if absent. An oracle
            gets more information *here*, where a reader sees it.
        all_actions: whether the outcomes of all actions are recorded, too (``loops/alternatives``);
            with ``"team"`` for all agents, with a :class:`LookAhead` followed by the policy.

    Returns:
        where the games stand afterwards, and the trajectory ``[T, N, ...]``.
    """
    see = observe_fn or world.observe
    keys = jax.random.split(key, (*jax.tree.leaves(inputs)[0].shape[:2], 2))
    ahead = windows(inputs, all_actions) if isinstance(all_actions, LookAhead) else None

    def others(game: Any, action: Any, x_next: Any, key: Array, memory: Any, rows: Any) -> Any:
        now = (game.state, action, game.x)
        made = alternatives(world, params, *now, x_next, all_actions == "team")
        if ahead is None:
            return made
        later = looked_ahead(key, world, params, policy, memory, now, rows, see)
        return dataclasses.replace(made, later=later)

    def play(game: RolloutState, x_next: Any, pair: Array, rows: Any) -> tuple[RolloutState, Any]:
        observation = see(params, game.state, game.x)
        memory, decision = policy.act(pair[0], game.memory, observation)
        outcome, state = step_and_reset(world, params, game.state, decision.action, game.x, x_next)
        line = Trajectory(
            observation=observation,
            action=decision.action,
            aux=decision.aux,
            reward=outcome.reward,
            terminated=outcome.terminated,
            truncated=outcome.truncated,
            next_observation=see(params, outcome.state, x_next),
            metrics=outcome.metrics,
            alternatives=others(game, decision.action, x_next, pair[0], memory, rows)
            if all_actions
            else (),
        )
        memory = select(line.done, policy.init_carry(pair[1]), memory)
        return RolloutState(state=state, memory=memory, x=x_next), line

    return jax.lax.scan(lambda g, row: jax.vmap(play)(g, *row), envs, (inputs, keys, ahead))
