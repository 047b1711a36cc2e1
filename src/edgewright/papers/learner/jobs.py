"""The jobs of the learner study, which are learners, ablations, rules, planners and bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgewright.papers.learner.groups import IN_WORLDS, TEN, grouped
from edgewright.papers.learner.population import populated
from edgewright.papers.learner.probes import apart
from edgewright.papers.learner.tuning import searches, selected
from edgewright.papers.learner.worlds import (
    AHEAD,
    DECOMPOSED,
    FURTHER,
    GROUP,
    HINDSIGHT,
    LONG,
    LONGER,
    OURS,
    PLANNER,
    PRICED,
    SHIPPED,
    SHIPPED_SEED,
    TIMES,
    VARIANTS,
    WORLDS,
    learners,
    moved,
    rules,
    seeds,
    worlds,
)
from edgewright.scenarios.load import resolved
from edgewright.studies.job import FunctionJob, Job, Plan
from edgewright.studies.jobs import BoundJob, Rule, TrainingJob, TransferJob
from edgewright.studies.setup import Setup, episodes
from edgewright.systems.aigc.system import fluid_bound

COSTS = {PLANNER: 4e5, AHEAD: 2e5, HINDSIGHT: 4e5, PRICED: 2e5}
"""Steps of a training that take about as long as a rule; other rules take 1e5."""

MARKS = {"heavy": 40, "light": 10, "trace": 10}
"""Evaluations during a training; the claim on early rewards needs many on `heavy`."""

SHORT = {"evaluation.episodes": 4, "params.horizon_slots": 50, "training.evaluations": 2}
"""What the quick plan changes in the scenarios."""

POPULATED = ("heavy", "light", "trace")
"""Worlds in which seeds are used together."""


def jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan."""
    made: list[Job] = [] if plan.quick else searches(plan.steps)
    for world in worlds(plan):
        data = plan.data if WORLDS[world].recorded or world == "city" else None
        made += [trained(plan, world, name, data) for name in learners(plan, world)]
        setup = setup_of(plan, world)
        made += [
            Rule(f"{world}/{name}", setup, name, COSTS.get(name, 1e5), data)
            for name in rules(plan, world)
        ]
        made += [
            TransferJob(f"{world}/{name}", _source(name), setup, world, recordings=data)
            for name in moved(plan, world)
        ]
        bound = None if world == "sensor" else fluid_bound
        made.append(BoundJob(f"{world}/bound", setup, bound, recordings=data))
        if world in POPULATED and not plan.quick:
            made.append(_population(world, setup))
            made += [_groups(plan, world, name, setup) for name in IN_WORLDS[world]]
            count = (GROUP - 1) * seeds(plan, world, OURS)
            made += [more(plan, world, OURS, data, count)] if OURS in IN_WORLDS[world] else []
        if not plan.quick:
            named = [(name, n) for (there, name), n in FURTHER.items() if there == world]
            made += [more(plan, world, name, data, n) for name, n in named]
    return made


def more(plan: Plan, world: str, name: str, data: str | None, count: int) -> TrainingJob:
    """Return the training of ``count`` further seeds of an arm, which are judged at the end only.

    Those of :data:`OURS` on `heavy` make a group of each seed of the first training; those of
    :data:`FURTHER` are counted with the first ones.
    """
    first = trained(plan, world, name, data)
    return dataclasses.replace(
        first,
        key=f"{first.key}-more",
        setup=setup_of(plan, world, {"training.evaluations": 1}),
        first_seed=first.seeds,
        seeds=count,
    )


def trained(plan: Plan, world: str, name: str, data: str | None) -> TrainingJob:
    """Return the training of an arm in a world."""
    learner, changes = VARIANTS.get(name, (name, {}))
    steps = plan.steps * (1.0 if plan.quick else WORLDS[world].steps)
    tuned = WORLDS[world].tuned and not plan.quick and name != SHIPPED
    return TrainingJob(
        key=f"{world}/{name}",
        setup=setup_of(plan, world, changes),
        learner=learner,
        steps=TIMES * steps if name in LONG else steps,
        seeds=seeds(plan, world, name),
        setting=world,
        rates_from=selected(name) if tuned else "",
        first_seed=SHIPPED_SEED if name == SHIPPED else 0,
        recordings=data,
    )


def setup_of(plan: Plan, world: str, more: dict[str, Any] | None = None) -> Setup:
    """Return the scenario of a world with what is changed in it, and what is measured there."""
    changes = {**WORLDS[world].changes, **(SHORT if plan.quick else {}), **(more or {})}
    changes.setdefault("training.evaluations", MARKS.get(world, 5))
    probe = apart if world in DECOMPOSED else episodes
    return Setup(WORLDS[world].scenario, changes, (probe,))


def _source(name: str) -> str:
    """Return the key of the training that an arm ``LEARNER-from-WORLD`` names."""
    learner, _, world = name.rpartition("-from-")
    return f"{world}/{learner}"


def _population(world: str, setup: Setup) -> FunctionJob:
    arm = f"{world}/{LONGER}"
    arguments = {"arm": arm, "scenario": resolved(setup.load())}
    return FunctionJob(f"{world}/population", populated, arguments, (arm,), "population", 1e5)


def _groups(plan: Plan, world: str, name: str, setup: Setup) -> FunctionJob:
    arms = {OURS: (OURS, f"{OURS}-more"), TEN: (LONGER,)}.get(name, (name,))
    keys = tuple(f"{world}/{arm}" for arm in arms)
    arguments = {"arms": list(keys), "scenario": resolved(setup.load())}
    if name == TEN:
        arguments["size"] = plan.seeds
    return FunctionJob(f"{world}/groups-of-{name}", grouped, arguments, keys, "groups", 5e5)


__all__ = ["POPULATED", "jobs", "setup_of", "trained"]
