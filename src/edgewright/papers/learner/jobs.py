"""The jobs of the learner study, which are learners, ablations, rules, a planner and a bound."""

from __future__ import annotations

from edgewright.studies.job import Job, Plan
from edgewright.studies.jobs import BoundJob, Rule, TrainingJob, TransferJob
from edgewright.studies.setup import Setup

OURS, UNGUIDED = "all-action-guided", "all-action-ppo"
LEARNERS = (OURS, UNGUIDED, "se-ppo", "se-ppo-steady", "ppo", "a2c", "dqn")
"""Learners of every world."""

ABLATIONS = (
    "all-action-smooth",
    "all-action-sampled",
    "all-action-discounted",
    "ppo-horizon",
    "a2c-horizon",
    "dqn-horizon",
)
"""Learners of `heavy` alone: what each part is worth."""

WORLDS = {"heavy": "aigc-heavy", "light": "aigc-light", "trace": "aigc-trace"}
"""Scenario of each world; ``trace`` needs recordings."""

PLANNER = "rollout-12"
RULES = ("random", "greedy", "shadow-price")
MOVED = f"trace/{OURS}-from-heavy"
"""Key of what was trained on synthetic inputs and is judged on recorded ones."""

SHORT = {"evaluation.episodes": 4, "params.horizon_slots": 50, "training.evaluations": 2}
"""What the quick plan changes in the scenarios."""


def worlds(plan: Plan) -> tuple[str, ...]:
    """Return the worlds of a plan: the quick one has a single one of synthetic inputs."""
    recorded = ("trace",) if plan.data else ()
    return ("heavy", *recorded) if plan.quick else ("heavy", "light", *recorded)


def learners(plan: Plan, world: str) -> tuple[str, ...]:
    """Return the learners that are trained in a world."""
    if plan.quick:
        return (OURS, UNGUIDED, "se-ppo") if world == "heavy" else (OURS, "se-ppo")
    return (*LEARNERS, *ABLATIONS) if world == "heavy" else LEARNERS


def rules(plan: Plan) -> tuple[str, ...]:
    """Return the policies that need no training; the quick plan has no planner."""
    return RULES if plan.quick else (*RULES, PLANNER)


def jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan."""
    made: list[Job] = []
    for world in worlds(plan):
        setup = Setup(WORLDS[world], dict(SHORT) if plan.quick else {})
        data = plan.data if world == "trace" else None
        made += [
            TrainingJob(
                f"{world}/{name}", setup, name, plan.steps, plan.seeds, world, recordings=data
            )
            for name in learners(plan, world)
        ]
        made += [
            Rule(f"{world}/{name}", setup, name, 4e5 if name == PLANNER else 1e5, data)
            for name in rules(plan)
        ]
        made.append(BoundJob(f"{world}/bound", setup, recordings=data))
        if world == "trace":
            made.append(TransferJob(MOVED, f"heavy/{OURS}", setup, world, recordings=data))
    return made


__all__ = ["ABLATIONS", "LEARNERS", "MOVED", "OURS", "PLANNER", "UNGUIDED", "WORLDS"]
__all__ += ["jobs", "learners", "rules", "worlds"]
