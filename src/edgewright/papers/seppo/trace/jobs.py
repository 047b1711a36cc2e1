"""The pieces of work of the study on recorded inputs."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgewright.papers.seppo.jobs import COMPARED, Size, in_setting, size_of, tuning
from edgewright.papers.seppo.view import REFERENCE, SETTINGS, arm, rule
from edgewright.studies.job import Job, Plan
from edgewright.studies.jobs import BoundJob, Rule, TrainingJob, TransferJob
from edgewright.studies.setup import Setup, episodes

SOURCES = {"synthetic": "aigc-heavy", "calibrated": "aigc-calibrated", "recorded": "aigc-trace"}
"""The training scenario of each source. The numbers are the same, the inputs differ."""

_LOG = "requests/azure_llm_2023_conversation.csv"
ALONE: dict[str, dict[str, Any]] = {
    "bandwidth": {
        "streams.bandwidth_mbps": {
            "kind": "recorded_bandwidth",
            "folder": "bandwidth",
            "mean_mbps": 100.0,
            "low_mbps": 10.0,
        }
    },
    "arrivals": {"streams.gap_s": {"kind": "recorded_gaps", "file": _LOG, "mean_s": 0.5}},
    "load": {"streams.background_gcps": {"kind": "recorded_load", "file": _LOG}},
}
"""Further evaluation scenarios: one input recorded, as in ``aigc-trace``, others synthetic."""

JUDGED = ("synthetic", "recorded")
RULES = ("random", "greedy", "heuristic-fair", REFERENCE)


def from_source(name: str, source: str) -> str:
    """Return the name of a learner that was trained on a source of inputs."""
    return f"{name}-from-{source}"


def sizes(plan: Plan) -> Size:
    """Return the sizes of a plan: as in the SE-PPO study, the rates tuned on longer trainings."""
    return dataclasses.replace(size_of(plan), tuning=plan.steps / 3)


def jobs(plan: Plan) -> list[Job]:
    """Return all jobs of a plan."""
    size = sizes(plan)
    made: list[Job] = [*tuning(size, COMPARED)]
    for setting in SETTINGS:
        for source in SOURCES:
            for name in COMPARED:
                made += _trained(plan, size, setting, name, source)
    for world in (*JUDGED, *ALONE):
        setup = _judged(world, size)
        cost = {REFERENCE: 4e5}
        made += [
            Rule(rule(name, world), setup, name, cost.get(name, 1e5), plan.data) for name in RULES
        ]
        made.append(BoundJob(rule("bound", world), setup, recordings=plan.data))
    return made


def _trained(plan: Plan, size: Size, setting: str, name: str, source: str) -> list[Job]:
    learner, change = in_setting(name, setting)
    ours = from_source(name, source)
    changes = {"evaluation.episodes": size.episodes, **change}
    made: list[Job] = [
        TrainingJob(
            key=arm(ours, setting),
            setup=Setup(SOURCES[source], changes),
            learner=learner,
            steps=size.main,
            seeds=plan.seeds,
            setting=setting,
            rates_from=f"tuning/{name}" if setting == "fair" else "",
            recordings=plan.data,
        )
    ]
    worlds = [*JUDGED, *(ALONE if name == "se-ppo" else ())]
    for world in worlds:
        key = arm(ours, setting, world)
        setup = _judged(world, size, change)
        made.append(TransferJob(key, arm(ours, setting), setup, setting, recordings=plan.data))
    return made


def _judged(world: str, size: Size, change: dict[str, Any] | None = None) -> Setup:
    changes = {"evaluation.episodes": size.episodes, **(change or {})}
    scenario = SOURCES.get(world, "aigc-heavy")
    return Setup(scenario, {**changes, **ALONE.get(world, {})}, (episodes,))
