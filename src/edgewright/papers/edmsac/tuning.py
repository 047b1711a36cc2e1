"""Search the learning rates of the learners of the EDMSAC study, with as many trials for each."""

from __future__ import annotations

from typing import Any

from edgewright.papers.edmsac.worlds import MAIN, scenario_of
from edgewright.studies.job import Job
from edgewright.studies.jobs import HyperparameterSelection, TrainingJob
from edgewright.studies.setup import Setup

FIRST_SEED = 1000
"""The first seed of the trials; no other training of the study has these seeds."""

MARKETS_SEED, MARKETS = 20262, 200
"""The validation markets, on which trials are compared; no claim is judged on them."""

FACTORS = (1 / 3, 1.0, 3.0)
"""Both rates of a learner are multiplied by each of these in turn."""

RATES = {"actor_learning_rate": 1e-3, "critic_learning_rate": 3e-3}
"""The rates of all learners of contracts (``systems/contract/learners.toml``)."""

FAMILIES = ("edmsac", "dmsac", "dmsac-small", "sac", "td3", "se-ppo")
"""Learners with a search of their own; variants take that of the learner they vary."""


def selected(learner: str) -> str:
    """Return the key of the search whose settings a learner, or a variant of it, takes."""
    if learner in FAMILIES:
        return f"tuning/{learner}"
    pruned = learner.startswith("edmsac") or learner in ("dmsac-random", "dmsac-one-shot")
    return "tuning/edmsac" if pruned else "tuning/dmsac"


def searches(steps: float, seeds: int) -> list[Job]:
    """Return the trials of every learner, and the choice of the best of them."""
    scenario, changes = scenario_of(MAIN)
    made: list[Job] = []
    for learner in FAMILIES:
        candidates: list[tuple[str, dict[str, float]]] = []
        for factor in FACTORS:
            settings = {name: factor * value for name, value in RATES.items()}
            key = f"{selected(learner)}/{factor:.2g}"
            more: dict[str, Any] = {f"learner.{name}": value for name, value in settings.items()}
            more |= {"evaluation.seed": MARKETS_SEED, "evaluation.episodes": MARKETS}
            more["training.evaluations"] = 2
            setup = Setup(scenario, {**changes, **more})
            made.append(
                TrainingJob(key, setup, learner, steps, seeds, "tuning", first_seed=FIRST_SEED)
            )
            candidates.append((key, settings))
        made.append(HyperparameterSelection(selected(learner), tuple(candidates)))
    return made
