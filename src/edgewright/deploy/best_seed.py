"""Choose the seed of a run that earns most on training inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.core.errors import InputError
from edgewright.evaluation.trained import seeds_of
from edgewright.evaluation.validation import training_rewards
from edgewright.training.runs import load_run


def best_seed(folder: Path, data: str | None = None) -> tuple[int, list[float]]:
    """Return the index of the best seed, and the mean reward per slot of each.

    They are compared on new episodes of the training inputs, so that the evaluation episodes judge
    a seed that was not chosen on them.

    Raises:
        InputError: the scenario has tasks.
    """
    run = load_run(folder, data)
    if run.problem.tasks is not None:
        message = "best must be of a scenario without tasks, each of which has inputs of its own"
        raise InputError(message, where="--seed", hint="name the seed yourself, e.g. --seed 0")
    rewards = training_rewards(
        seeds_of(run, run.problem), run.problem, run.request.scenario.evaluation
    )
    return int(np.argmax(rewards)), rewards


__all__ = ["best_seed"]
