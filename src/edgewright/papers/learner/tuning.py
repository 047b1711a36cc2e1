"""Search the learning rates of all learners of the study, with as many trials for each."""

from __future__ import annotations

from typing import Any

from edgewright.papers.learner.worlds import (
    AHEAD_ARM,
    LEARNERS,
    OURS,
    PLANNED,
    QUANTILES,
    VARIANTS,
)
from edgewright.studies.job import Job
from edgewright.studies.jobs import HyperparameterSelection, TrainingJob
from edgewright.studies.setup import Setup

FIRST_SEED = 1000
"""The first seed of the trials; no other training of the study has these seeds."""

EPISODES_SEED = 20262
"""Seed of the episodes on which trials are compared; no claim is judged on them."""

TRIAL = 0.3
"""Steps of a trial, as a share of those of a main training."""

SEEDS = 2
FACTORS = (1 / 3, 1.0, 3.0)
"""All rates of a learner are multiplied by each of these in turn."""

_PAIR = ("actor_learning_rate", "critic_learning_rate")
RATES: dict[str, dict[str, float]] = {
    OURS: dict(zip(_PAIR, (1e-3, 2e-3), strict=True)),
    "all-action-ppo": dict(zip(_PAIR, (1e-3, 2e-3), strict=True)),
    "se-ppo": dict(zip(_PAIR, (5e-4, 1.5e-3), strict=True)),
    "se-ppo-steady": dict(zip(_PAIR, (5e-4, 1.5e-3), strict=True)),
    "ppo": dict(zip(_PAIR, (3e-4, 3e-4), strict=True)),
    "a2c": dict(zip(_PAIR, (7e-4, 7e-4), strict=True)),
    "dqn": {"learning_rate": 2.5e-4},
}
"""The rates of the learners' entries."""

_OF_ABLATIONS = {
    PLANNED: OURS,
    AHEAD_ARM: OURS,
    QUANTILES: OURS,
    "all-action-smooth": "all-action-ppo",
    "all-action-sampled": "all-action-ppo",
    "all-action-discounted": "se-ppo",
    "ppo-horizon": "se-ppo",
    "a2c-horizon": "a2c",
    "dqn-horizon": "dqn",
}


def selected(name: str) -> str:
    """Return the key of the search whose rates an arm takes: an ablation that of what it varies."""
    learner = VARIANTS[name][0] if name in VARIANTS else name
    return f"tuning/{_OF_ABLATIONS.get(learner, learner)}"


def searches(steps: float) -> list[Job]:
    """Return the trials of every learner on `aigc-heavy`, and the choice of the best of them."""
    made: list[Job] = []
    for learner in LEARNERS:
        candidates: list[tuple[str, dict[str, float]]] = []
        for factor in FACTORS:
            settings = {name: factor * value for name, value in RATES[learner].items()}
            key = f"{selected(learner)}/{factor:.2g}"
            changes: dict[str, Any] = {f"learner.{name}": rate for name, rate in settings.items()}
            changes |= {"evaluation.seed": EPISODES_SEED, "training.evaluations": 2}
            made.append(
                TrainingJob(
                    key,
                    Setup("aigc-heavy", changes),
                    learner,
                    TRIAL * steps,
                    SEEDS,
                    "tuning",
                    first_seed=FIRST_SEED,
                )
            )
            candidates.append((key, settings))
        made.append(HyperparameterSelection(selected(learner), tuple(candidates)))
    return made


__all__ = ["RATES", "searches", "selected"]
