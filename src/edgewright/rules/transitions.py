"""Turn trajectories into the transitions of a replay, and those into what networks see.

Observations and rewards are stored raw, in physical units, and normalised with the running
statistics when they are used: the statistics of an old sample would be out of date.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from edgewright.core.records import Array, Trajectory, record
from edgewright.rules import batches
from edgewright.rules.returns import n_step_returns
from edgewright.rules.scaling import InputScaler, RewardScaler


@record
class Transition:
    """Samples of one agent and one step each, leaves ``[*samples, ...]``.

    Attributes:
        observation: before the step, ``[*samples, F]``.
        action: taken there, ``[*samples, *action]``.
        reward: of the step, ``[*samples]``.
        terminated: bool ``[*samples]``, whether the future has no value.
        next_observation: after the step and before any reset, ``[*samples, F]``.
    """

    observation: Array
    action: Array
    reward: Array
    terminated: Array
    next_observation: Array


def blank(features: int, action: Array) -> Transition:
    """Return one transition of zeros, the example that a replay is made from.

    Args:
        features: entries of an observation.
        action: zeros of the shape and type of one agent's action.
    """
    observation = jnp.zeros(features)
    return Transition(
        observation=observation,
        action=action,
        reward=jnp.zeros(()),
        terminated=jnp.zeros((), bool),
        next_observation=observation,
    )


def transitions(batch: Trajectory, action_axes: int = 0) -> Transition:
    """Return a trajectory ``[T, N, *agents, ...]`` as raw samples, one for each agent and step.

    Args:
        action_axes: how many axes the action of one agent has.
    """
    return Transition(
        observation=batches.samples(batch.observation, 1),
        action=batches.samples(batch.action, action_axes),
        reward=batches.samples(batch.reward),
        terminated=batches.samples(batches.over_agents(batch.terminated, batch.reward)),
        next_observation=batches.samples(batch.next_observation, 1),
    )


def n_step_transitions(
    batch: Trajectory, gamma: Array | float, steps: int
) -> tuple[Transition, Array]:
    """Return samples whose reward and next observation are ``steps`` ahead, and how far each is.

    Where an episode or the trajectory ends before, the sample is shorter. See
    :func:`edgewright.rules.returns.n_step_returns`.

    Returns:
        samples as of :func:`transitions`, and the steps ``[samples]`` that each reward sums over.
    """
    done = batches.over_agents(batch.done, batch.reward)
    reward, last = n_step_returns(batch.reward, done, gamma, steps)
    ended = batches.over_agents(batch.terminated, batch.reward)
    time = jnp.arange(reward.shape[0]).reshape(-1, *[1] * (reward.ndim - 1))
    ahead = dataclasses.replace(
        batch,
        reward=reward,
        next_observation=jnp.take_along_axis(batch.next_observation, last[..., None], axis=0),
    )
    part = dataclasses.replace(
        transitions(ahead), terminated=batches.samples(jnp.take_along_axis(ended, last, axis=0))
    )
    return part, batches.samples(last - time + 1).astype(jnp.float32)


def normalised(part: Transition, inputs: InputScaler, rewards: RewardScaler) -> Transition:
    """Return samples as networks see them; actions stay. SE-PPO equations (21), (22)."""
    return dataclasses.replace(
        part,
        observation=inputs(part.observation),
        reward=rewards(part.reward),
        next_observation=inputs(part.next_observation),
    )


__all__ = ["Transition", "blank", "n_step_transitions", "normalised", "transitions"]
