"""Record the features that a policy observes, for ranges, calibration and distillation."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.protocols import Policy, Stream, World
from edgewright.core.records import Array, Decision, record, static
from edgewright.core.spaces import Space
from edgewright.loops.evaluate import observe_fn_of, plain_observation
from edgewright.loops.unroll import init_rollout, next_rows, unroll
from edgewright.scenarios.build import Problem

GAMES, STEPS = 64, 512
"""Copies of the world, and steps of each, when a policy is watched."""

SCENARIOS = 16
"""Tasks over which the copies are spread, where a scenario has tasks."""


@record
class Mixed:
    """Another policy in half of the episodes, and random actions in the others."""

    policy: Policy
    space: Space = static()

    @property
    def needs_state(self) -> bool:
        """Return whether the policy does."""
        return bool(getattr(self.policy, "needs_state", False))

    def init_carry(self, key: Array) -> tuple[Any, Array]:
        """Return the memory of the policy, and whether this episode is random."""
        policy_key, chance_key = jax.random.split(key)
        return self.policy.init_carry(policy_key), jax.random.bernoulli(chance_key)

    def act(
        self, key: Array, carry: tuple[Any, Array], observation: Array
    ) -> tuple[tuple[Any, Array], Decision]:
        """Return the policy's action, or any."""
        memory, random = carry
        policy_key, choice_key = jax.random.split(key)
        memory, decision = self.policy.act(policy_key, memory, observation)
        other = self.space.sample(choice_key)
        action = jax.tree.map(lambda a, b: jnp.where(random, a, b), other, decision.action)
        return (memory, random), Decision(action=action, aux=())


def watch(
    world: World,
    problem: Problem,
    policy: Policy,
    columns: int,
    seed: int,
    device: int | None = None,
) -> np.ndarray:
    """Return what a policy sees on the training inputs of a scenario: features ``[n, columns]``.

    Args:
        columns: of one decision: the features of an agent, or of all agents in a row.
        device: whose features, where only one agent's are asked for.
    """
    key, hidden = jax.random.key(seed), problem.tasks
    if hidden is None:
        observations = [_play(key, world, problem.params, problem.train_stream, policy, GAMES)]
    else:
        observations, count = [], min(SCENARIOS, hidden.train.count)
        for n in range(count):
            params = hidden.train.one(n)
            stream = hidden.train.stream(params)
            observations.append(
                _play(jax.random.fold_in(key, n), world, params, stream, policy, GAMES // count)
            )
    whose = slice(None) if device is None else slice(device, device + 1)
    return np.concatenate([np.asarray(x)[..., whose, :].reshape(-1, columns) for x in observations])


@functools.partial(jax.jit, static_argnames=("world", "games"))
def _play(
    key: Array, world: World, params: Any, stream: Stream[Any], policy: Policy, games: int
) -> Array:
    start_key, rollout_key, play_key = jax.random.split(key, 3)
    carry = jax.vmap(stream.init_carry)(jax.random.split(start_key, games))
    _, rows = next_rows(stream, carry, STEPS + 1)
    first, rest = jax.tree.map(lambda a: a[0], rows), jax.tree.map(lambda a: a[1:], rows)
    rollout = init_rollout(rollout_key, world, params, policy, first)
    see = observe_fn_of(policy, world)
    played = unroll(play_key, world, params, policy, rollout, rest, observe_fn=see)[1]
    return plain_observation(played.observation)
