"""Score policies on episodes of the training inputs, to choose among them without the test."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from edgewright.core.errors import InputError
from edgewright.loops.evaluate import episode_inputs
from edgewright.specs.schema import Evaluation
from edgewright.systems.problem import Problem
from edgewright.systems.registry import system_of
from edgewright.systems.system import PolicyEntry

EPISODES = 100
"""Episodes on which policies are compared; all play the same ones."""

APART = 7
"""What is added to the seed of the evaluation, so that no episode of it is drawn."""


def training_rewards(
    policy_entries: Sequence[PolicyEntry],
    problem: Problem,
    plan: Evaluation,
    episodes: int = EPISODES,
) -> list[float]:
    """Return the mean reward per slot of each policy on new episodes of the training inputs.

    Inputs that are drawn are new to the policies. Recordings are those that they were trained on,
    from other points on; what was held out for the test is never read.

    Args:
        plan: how episodes are drawn and what counts after an early end.

    Raises:
        InputError: the scenario has tasks, each with inputs of its own.
    """
    if problem.tasks is not None:
        message = "policies must be of a scenario without tasks to be compared on training inputs"
        raise InputError(message, where="validation", hint="name the seed yourself")
    inputs = episode_inputs(
        jax.random.key(plan.seed + APART),
        problem.train_stream,
        episodes,
        problem.horizon,
        plan.fixed_inputs,
    )
    system, missed = system_of(problem.kind), plan.post_termination_reward
    return [
        float(np.mean(np.asarray(system.play(one, problem, inputs, 0, missed)[0]["reward"])))
        for one in policy_entries
    ]


__all__ = ["APART", "EPISODES", "training_rewards"]
