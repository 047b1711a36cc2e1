"""Search the settings of the learners of the HADRL study, with as many trials for each."""

from __future__ import annotations

from typing import Any

from edgewright.studies.job import Job
from edgewright.studies.jobs import HyperparameterSelection, TrainingJob
from edgewright.studies.setup import Setup

FIRST_SEED = 1000
"""The first seed of the trials; no other training of the study has these seeds."""

EPISODES_SEED = 20262
"""Seed of the episodes on which trials are compared; no claim is judged on them."""

RATES = {
    "hadrl": {
        "upper.actor_learning_rate": 1e-4,
        "upper.critic_learning_rate": 1e-3,
        "lower.learning_rate": 1e-3,
    },
    "ddpg-ddpg": {
        "upper.actor_learning_rate": 1e-4,
        "upper.critic_learning_rate": 1e-3,
        "lower.actor_learning_rate": 1e-5,
        "lower.critic_learning_rate": 1e-3,
    },
    "ppo-ppo": {
        "upper.actor_learning_rate": 5e-4,
        "upper.critic_learning_rate": 1.5e-3,
        "lower.actor_learning_rate": 5e-4,
        "lower.critic_learning_rate": 1.5e-3,
    },
}
"""The learning rates of each learner in its table of settings."""

FACTORS = (1 / 3, 1.0, 3.0)
"""All rates of a learner are multiplied by each of these in turn."""


def selected(learner: str) -> str:
    """Return the key of the search whose settings a learner, or a variant of it, takes."""
    return f"tuning/{learner}"


def searches(learner: str, setup: Setup, steps: float, seeds: int) -> list[Job]:
    """Return the trials of a learner, and the choice of the best of them.

    Args:
        learner: a key of :data:`RATES`.
        setup: the world of the trials, and what else the study changes for the learner.
        steps, seeds: of each trial.
    """
    made: list[Job] = []
    candidates: list[tuple[str, dict[str, float]]] = []
    for factor in FACTORS:
        settings = {name: factor * value for name, value in RATES[learner].items()}
        key = f"{selected(learner)}/{factor:.2g}"
        made.append(_trial(key, setup, learner, settings, steps, seeds))
        candidates.append((key, settings))
    return [*made, HyperparameterSelection(selected(learner), tuple(candidates))]


def _trial(
    key: str, setup: Setup, learner: str, settings: dict[str, float], steps: float, seeds: int
) -> TrainingJob:
    changes: dict[str, Any] = {f"learner.{name}": value for name, value in settings.items()}
    changes["evaluation.seed"] = EPISODES_SEED
    return TrainingJob(
        key=key,
        setup=Setup(setup.scenario, {**setup.changes, **changes}, setup.probes),
        learner=learner,
        steps=steps,
        seeds=seeds,
        setting="tuning",
        first_seed=FIRST_SEED,
    )


__all__ = ["searches", "selected"]
