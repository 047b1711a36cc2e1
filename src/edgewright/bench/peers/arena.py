"""Give the worlds that both sides of the comparison play."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.bench.peers import target
from edgewright.core.protocols import Stream, World
from edgewright.loops.evaluate import episode_inputs
from edgewright.specs.schema import Scenario
from edgewright.systems.problem import Problem
from edgewright.systems.target_probe import TargetParams, TargetWorld
from edgewright.training.runs import evaluation_inputs

EPISODES = 20
"""Episodes of the target probe that both sides are scored on."""


@dataclasses.dataclass(frozen=True)
class Arena:
    """One world with its inputs for training and for evaluation.

    Attributes:
        name: of the scenario, or :data:`edgewright.bench.peers.target.NAME`; the other process
            builds its side from it.
        inputs: of the evaluation episodes, leaves ``[T + 1, E, ...]``.
        post_termination_reward: what a step earns after the end of an episode.
    """

    name: str
    world: World
    params: Any
    train_stream: Stream[Any]
    inputs: Any
    post_termination_reward: float


def arena_of(scenario: Scenario, problem: Problem) -> Arena:
    """Return a scenario's world with its evaluation episodes."""
    return Arena(
        name=scenario.name,
        world=problem.world,
        params=problem.params,
        train_stream=problem.train_stream,
        inputs=evaluation_inputs(scenario, problem),
        post_termination_reward=scenario.evaluation.post_termination_reward,
    )


def target_arena() -> Arena:
    """Return the target probe, whose actions are numbers and whose best reward is 0."""
    world, params = TargetWorld(), TargetParams(horizon_slots=jnp.float32(target.SLOTS))
    stream = world.inputs(params)
    inputs = episode_inputs(jax.random.key(1), stream, EPISODES, target.SLOTS, {})
    return Arena(target.NAME, world, params, stream, inputs, 0.0)
