"""The jobs of the EDMSAC study, which are learners, rules and optima in each of its worlds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewright.papers.edmsac.probes import actor, persistence, utilities
from edgewright.papers.edmsac.tuning import searches, selected
from edgewright.papers.edmsac.worlds import (
    BASIC,
    CONTROLS,
    MAIN,
    RULES,
    SAME_RATES,
    SWEPT,
    VARIANTS,
    WORLDS,
    scenario_of,
)
from edgewright.studies.job import FunctionJob, Job, Plan
from edgewright.studies.jobs import BoundJob, Rule, TrainingJob
from edgewright.studies.setup import Setup, episodes

EVALUATIONS = 10
"""Points of a learning curve; the last is a tenth of the training."""

QUICK = {
    MAIN: ("edmsac", "dmsac", "dmsac-small", "sac", "edmsac-kept-10", "dmsac-2", "dmsac-paper"),
    "d3": ("edmsac", "dmsac"),
    "d3-raw": ("edmsac", "dmsac"),
}
"""Learners of the quick plan, by world."""

FULL = {
    world: (*BASIC, SAME_RATES, *CONTROLS, *SWEPT) if world == MAIN
    else (*BASIC, SAME_RATES) if "raw" not in world
    else ("edmsac", "dmsac", SAME_RATES, "sac", "td3")
    for world in WORLDS
}  # fmt: skip
"""Learners of the full plan, by world."""

QUICK_RULES = ("random", "static", "per-period")
EPISODES = {True: 50, False: 500}
"""Random markets of an evaluation, by whether the plan is quick."""

DRAWS = 20
"""Episodes of a fixed market: it is always the same, the noise of a diffusion is not."""


def learners_in(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Return the learners of a plan by world."""
    return QUICK if plan.quick else FULL


def jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan."""
    made: list[Job] = [] if plan.quick else searches(plan.steps, 2)
    for world, learners in learners_in(plan).items():
        made += [trained(plan, world, name) for name in learners]
        setup = _setup(plan, world)
        for name in QUICK_RULES if plan.quick else RULES:
            made.append(Rule(f"{world}/{name}", setup, name, 2e3))
        made.append(BoundJob(f"{world}/bound", setup))
    scenario = {"scenario": "contract-d3", "metric": "paper_profit"}
    made.append(FunctionJob("persistence", persistence, scenario, (), "mechanisms", 2e5))
    return made


def trained(plan: Plan, world: str, name: str) -> TrainingJob:
    """Return the training of a learner in a world; sweeps have half of the seeds."""
    learner, changes = VARIANTS.get(name, (name, {}))
    seeds = plan.seeds if plan.quick or name not in SWEPT else max(2, plan.seeds // 2)
    return TrainingJob(
        key=f"{world}/{name}",
        setup=_setup(plan, world, changes, learned=True, shown=name == "edmsac"),
        learner=learner,
        steps=plan.steps,
        seeds=seeds,
        setting=world,
        rates_from="" if plan.quick else selected("edmsac" if name == SAME_RATES else learner),
    )


def _setup(
    plan: Plan,
    world: str,
    more: dict[str, Any] | None = None,
    learned: bool = False,
    shown: bool = False,
) -> Setup:
    scenario, changes = scenario_of(world)
    changes["evaluation.episodes"] = EPISODES[plan.quick] if world == MAIN else DRAWS
    changes["training.evaluations"] = EVALUATIONS
    probes = (episodes, *((actor,) if learned else ()), *((utilities,) if shown else ()))
    return Setup(scenario, {**changes, **(more or {})}, probes)
