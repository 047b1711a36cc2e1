"""The jobs of the HADRL study, which are learners, rules and bounds in each of its worlds."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgewright.papers.hadrl.tuning import RATES, searches, selected
from edgewright.papers.hadrl.view import LEARNERS, LEVELS, LEVELS_IN, ORACLES_IN, RULES
from edgewright.papers.hadrl.worlds import (
    LOGS,
    MAIN,
    PUBLISHED,
    RECORDED,
    SERVERS,
    SMALL,
    SWEEPS,
    scenario_of,
    swept,
)
from edgewright.studies.job import Job, Plan
from edgewright.studies.jobs import BoundJob, Rule, TrainingJob
from edgewright.studies.setup import Setup, episodes
from edgewright.studies.speed import speed

LOWER = "learner.lower."

COLD = {f"{LOWER}warm_start": False, f"{LOWER}elite_memory": False}
"""Every search begins anew: not from the last plan, and without its elites."""

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "hadrl-horizon-20": ("hadrl", {f"{LOWER}plan_horizon": 20}),
    "hadrl-cold": ("hadrl", COLD),
    "hadrl-ensemble-2": ("hadrl", {f"{LOWER}ensemble_size": 2}),
    "hadrl-ensemble-10": ("hadrl", {f"{LOWER}ensemble_size": 10}),
    "hadrl-weight-1": ("hadrl", {f"{LOWER}epistemic_weight": 1.0}),
    "ppo-ppo-long": ("ppo-ppo", {}),
}
"""Policies that are a shipped learner with other settings: the learner, and the settings."""

LONG, LONGER = "ppo-ppo-long", 10
"""PPO with more steps, and how many times more: a step of it costs far less than one of HADRL."""

EVALUATIONS = 4
"""Points of a learning curve; the planner decides in evaluations as slowly as in training."""

STRATEGIES = ("hadrl-none", "hadrl-variance", "hadrl-disagreement", "hadrl-random", "hadrl-as-run")
WEIGHTS = ("hadrl-weight-1",)
HORIZONS = ("hadrl-horizon-5", "hadrl-horizon-20")
ENSEMBLES = ("hadrl-ensemble-2", "hadrl-ensemble-10")
SEARCHES = ("hadrl-cold",)
ABLATED = (*STRATEGIES, *WEIGHTS, *HORIZONS, *SEARCHES, *ENSEMBLES)
"""HADRL with one thing changed. HADRL itself has horizon 1, strategy ``information`` and an
ensemble of five."""

ABLATED_IN = {
    "es2-third": (*STRATEGIES, *HORIZONS, *SEARCHES),
    "dynamic-third": (*STRATEGIES, *WEIGHTS, HORIZONS[0], *ENSEMBLES),
}
ANEW = "hadrl-cold"
ANEW_IN = ("es2", "dynamic", "trace")
"""HADRL whose searches begin anew, as in the published code, and where it is compared."""

ABLATED_QUICK = {"es2-third": ("hadrl-none",), "dynamic-third": ("hadrl-none",)}

PLANNER = {
    f"{LOWER}num_candidates": 64,
    f"{LOWER}num_elites": 8,
    f"{LOWER}plan_iterations": 3,
    f"{LOWER}hidden_sizes": [64, 64],
    f"{LOWER}reward_hidden_sizes": [64, 64],
}
"""The planner of the study, smaller than the default one; the same for all arms that plan."""

SWEPT_QUICK = {"servers-2": ("ppo-ppo",), "servers-5": ("ppo-ppo",)}
"""The one learner of the sweeps in the quick plan."""

SWEPT_LEARNERS = ("hadrl", "ddpg-ddpg", "ppo-ppo", "ppo-ppo-long")
SWEPT_RULES = ("random", "lru+hit-root", "spread+hit-root", "spread+search-root")
PUBLISHED_RULES = (
    "none+nearest-equal",
    "spread+nearest-root",
    "all+nearest-equal",
    "all+nearest-root",
    "all+nearest-zero",
)


@dataclasses.dataclass(frozen=True)
class Size:
    """The amounts of work of a plan.

    Attributes:
        main, sweep, ablation: steps of the main trainings, and of those in sweeps and ablations.
        seeds, sweep_seeds: seeds of both.
        episodes, epochs: held-out episodes of every policy, and epochs of each of them.
        drift_episodes: held-out episodes in the sweep of drift. Without drift an episode has one
            ranking of the services, and what it costs depends on which.
        ablated: learners beside those of the figures, by world.
    """

    main: float
    sweep: float
    ablation: float
    seeds: int
    sweep_seeds: int
    episodes: int
    epochs: int
    drift_episodes: int
    ablated: dict[str, tuple[str, ...]]


def size_of(plan: Plan) -> Size:
    """Return the sizes of a plan; steps are in proportion to those of the main trainings."""
    half, few = plan.steps / 2, max(2, plan.seeds // 3)
    if plan.quick:
        return Size(plan.steps, half, half, plan.seeds, plan.seeds, 2, 4, 2, ABLATED_QUICK)
    return Size(plan.steps, half, plan.steps / 4, plan.seeds, few, 6, 10, 40, ABLATED_IN)


def jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan; those on recorded requests if a folder is named."""
    size = size_of(plan)
    made: list[Job] = []
    if not plan.quick:
        for learner in RATES:
            setup = _setup(size, "es2", PLANNER if learner == "hadrl" else {})
            made += searches(learner, setup, size.main, 2)
    for world in main_worlds(plan):
        levels = LEVELS if world in LEVELS_IN and not plan.quick else ()
        made += [trained(plan, size, world, name) for name in (*LEARNERS, LONG, *levels)]
        made += [trained(plan, size, world, ANEW)] if world in ANEW_IN and not plan.quick else []
        made += rules(plan, size, world, (*RULES, *ORACLES_IN.get(world, ())))
        made.append(BoundJob(f"{world}/bound", _setup(size, world), recordings=_data(plan, world)))
    for world, names in size.ablated.items():
        made += [trained(plan, size, world, name) for name in ("hadrl", *names)]
    for kind, sweep in SWEEPS.items():
        names = dict.fromkeys(swept(kind, value) for value in sweep.chosen(plan))
        worlds = [name for name in names if not any(job.key == f"{name}/random" for job in made)]
        for world in worlds:
            learners = SWEPT_QUICK.get(world, ()) if plan.quick else SWEPT_LEARNERS
            made += [trained(plan, size, world, name) for name in learners]
            made += rules(plan, size, world, SWEPT_RULES)
    for variant in PUBLISHED:
        for servers in SERVERS[plan.quick]:
            made += rules(plan, size, swept(variant, servers), PUBLISHED_RULES)
    return made


def main_worlds(plan: Plan) -> list[str]:
    """Return the worlds in which learners are compared; the quick plan has one log at most."""
    logs = RECORDED[: 1 if plan.quick else None] if plan.data else ()
    return [world for world in MAIN if world not in RECORDED or world in logs]


def trained(plan: Plan, size: Size, world: str, name: str) -> TrainingJob:
    """Return the training of a learner in a world."""
    learner, changes = VARIANTS.get(name, (name, {}))
    family = "hadrl" if name.startswith("hadrl") else learner
    planner = PLANNER if family in ("hadrl", "spread-active-inference") else {}
    is_main = world in MAIN or world in SMALL
    steps = size.sweep if not is_main else size.main if world in MAIN else size.ablation
    return TrainingJob(
        key=f"{world}/{name}",
        setup=_setup(size, world, {**planner, **changes}),
        learner=learner,
        steps=LONGER * steps if name == LONG else steps,
        seeds=size.seeds if is_main and world not in LOGS else size.sweep_seeds,
        setting=world,
        rates_from=selected(family) if family in RATES and not plan.quick else "",
        recordings=_data(plan, world),
    )


def rules(plan: Plan, size: Size, world: str, names: tuple[str, ...]) -> list[Job]:
    """Return rules in a world."""
    setup, recordings = _setup(size, world), _data(plan, world)
    return [Rule(f"{world}/{name}", setup, name, 2e3, recordings) for name in names]


def _setup(size: Size, world: str, more: dict[str, Any] | None = None) -> Setup:
    scenario, changes = scenario_of(world)
    kind = world.split("-")[0]
    played = size.drift_episodes if kind == "drift" else size.episodes
    changes |= {"evaluation.episodes": played, "params.epochs": size.epochs}
    changes["training.evaluations"] = EVALUATIONS
    timed = world in (*MAIN, *SMALL) or kind == "servers"
    return Setup(scenario, {**changes, **(more or {})}, (episodes, speed) if timed else (episodes,))


def _data(plan: Plan, world: str) -> str | None:
    return plan.data if world in RECORDED else None
