"""The worlds of the learner study, with the learners and rules that are compared in each."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from edgewright.studies.job import Plan
from edgewright.systems.registry import systems

OURS, UNGUIDED = "all-action-guided", "all-action-ppo"
LONGER, TIMES = "all-action-guided-longer", 10 / 3
"""An arm with more steps than the others, and how many times as many."""
TEAM, PLANNED = "all-action-team", "all-action-planned"
SHIPPED, SHIPPED_SEED = "all-action-planned-shipped", 2000
"""The same with the rates of its entry, and its first seed, which no trial had."""
LONG = (LONGER, PLANNED, SHIPPED)
"""Arms with more steps."""
GROUP = 3
"""Trainings whose networks are used together."""
AHEAD_ARM, QUANTILES = "all-action-ahead", "all-action-quantiles"
"""What looks further ahead after each action, and a critic of quantiles."""
PLANNER, PRICED, AHEAD = "rollout-12", "shadow-price", "shadow-rollout-2"
HINDSIGHT = "beam-16"
"""The best plan that knows all inputs: see ``systems.aigc.baselines.beam``."""

LEARNERS = {OURS: 1.0, UNGUIDED: 1.0, "se-ppo": 1.0, "se-ppo-steady": 1.0}
LEARNERS |= {"ppo": 0.5, "a2c": 0.5, "dqn": 0.5}
"""Learners that are compared on `heavy`, with the share of the plan's seeds."""

ABLATIONS = {
    LONGER: 1.0,
    PLANNED: 1.0,
    SHIPPED: 1.0,
    AHEAD_ARM: 0.4,
    QUANTILES: 0.4,
    "all-action-smooth": 1.0,
    "all-action-sampled": 1.0,
    "all-action-discounted": 0.3,
    "all-action-raw": 0.3,
    "all-action-095": 0.3,
    "all-action-guided-by-greedy": 0.3,
    "ppo-horizon": 0.3,
    "a2c-horizon": 0.3,
    "dqn-horizon": 0.3,
}
"""Learners of `heavy` alone: what each part is worth."""

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    LONGER: (OURS, {}),
    SHIPPED: (PLANNED, {}),
    "all-action-raw": (
        UNGUIDED,
        {"learner.normalize_observations": False, "learner.normalize_rewards": False},
    ),
    "all-action-095": (UNGUIDED, {"learner.gamma": 0.95}),
    "all-action-guided-by-greedy": (OURS, {"learner.guide": "greedy"}),
}
"""Learner and changes of the scenario of an arm whose name is not a learner's."""

ELSEWHERE = {OURS: 1.0, LONGER: 1.0, UNGUIDED: 0.3, "se-ppo": 0.5, "se-ppo-steady": 0.3}
ELSEWHERE |= {PLANNED: 1.0, "ppo": 0.2, "a2c": 0.2, "dqn": 0.2}
"""Learners of `light` and `trace`."""

LOG = "requests/azure_llm_2023_{}.csv"
FURTHER = {("fleet", TEAM): 3}
"""Seeds of arms, by world, that a second training adds to those of the first."""

MOONCAKE = "requests/mooncake_conversation_3000.jsonl"


def _log(file: str) -> dict[str, Any]:
    return {"streams.gap_s.file": file, "streams.background_gcps.file": file}


@dataclasses.dataclass(frozen=True)
class World:
    """A scenario of the study.

    Attributes:
        scenario: name of a preset, or a file.
        learners: learners trained in it, with the share of the plan's seeds.
        rules: policies that need no training.
        changes: values by dotted key of the scenario.
        steps: share of the plan's steps.
        recorded: whether it needs recordings.
        moved_from: worlds whose policies of :data:`OURS` are measured in it, too.
        tuned: whether learners take the rates that were chosen on `heavy`.
        base: the policy that the gap to the bound is counted from.
    """

    scenario: str
    learners: dict[str, float]
    rules: tuple[str, ...]
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    steps: float = 1.0
    recorded: bool = False
    moved_from: tuple[str, ...] = ()
    tuned: bool = True
    base: str = "greedy"


_RULES = ("random", "greedy", PRICED, PLANNER, AHEAD, HINDSIGHT)
_FEW = ("random", "greedy", PRICED)
_SMALL_CITY = {
    "world.devices": 26,
    "world.servers": 4,
    "params.placement": {"kind": "uniform", "width_m": 331.0, "height_m": 166.0, "seed": 2},
    "learner.num_envs": 4,
    "learner.batch_size": 208,
}
"""As many devices for a server, and on as much ground, as in `aigc-city`."""

WORLDS = {
    "heavy": World("aigc-heavy", {**LEARNERS, **ABLATIONS}, _RULES),
    "light": World("aigc-light", ELSEWHERE, _RULES),
    "trace": World(
        "aigc-trace",
        {**ELSEWHERE, SHIPPED: 1.0, AHEAD_ARM: 1.0},
        _RULES,
        recorded=True,
        moved_from=("heavy", "code", "mooncake", "norway", "oboe"),
    ),
    "late": World(
        "aigc-trace",
        {OURS: 0.3},
        _FEW,
        {"streams.gap_s.train_from": 0.3, "streams.background_gcps.train_from": 0.3},
        recorded=True,
        moved_from=("heavy", "code", "mooncake"),
    ),
    "code": World(
        "aigc-trace",
        {OURS: 0.3},
        _FEW,
        _log(LOG.format("code")),
        recorded=True,
        moved_from=("trace", "late", "mooncake"),
    ),
    "mooncake": World(
        "aigc-trace",
        {OURS: 0.3},
        _FEW,
        _log(MOONCAKE),
        recorded=True,
        moved_from=("trace", "late", "code"),
    ),
    "norway": World(
        "aigc-trace",
        {OURS: 0.3},
        _FEW,
        {"streams.bandwidth_mbps.files": "norway_*.txt"},
        recorded=True,
        moved_from=("trace", "oboe"),
    ),
    "oboe": World(
        "aigc-trace",
        {OURS: 0.3},
        _FEW,
        {"streams.bandwidth_mbps.files": "oboe_*.txt"},
        recorded=True,
        moved_from=("trace", "norway"),
    ),
    "fleet": World(
        "aigc-fleet",
        {OURS: 0.4, TEAM: 0.2, "se-ppo": 0.4},
        ("random", "greedy", "greedy-in-turn", PRICED, PLANNER),
        steps=0.15,
        tuned=False,
    ),
    "town": World(
        "aigc-city",
        {OURS: 0.3, "se-ppo": 0.3},
        ("random", "greedy", "greedy-in-turn", PRICED),
        _SMALL_CITY,
        steps=0.04,
        tuned=False,
    ),
    "city": World(
        "aigc-city", {}, ("random", "greedy", "greedy-in-turn"), moved_from=("town",), tuned=False
    ),
    "sensor": World(
        str(Path(__file__).with_name("sensor.toml")),
        {UNGUIDED: 1.0, "se-ppo": 1.0, "dqn": 0.5},
        ("random", "picky"),
        steps=0.4,
        tuned=False,
        base="picky",
    ),
}
"""All worlds by name."""

RECORDED = ("trace", "late", "code", "mooncake", "norway", "oboe")
DECOMPOSED = ("heavy", "light", "trace")
"""Worlds in which rewards are taken apart by mode and load."""

QUICK = {"heavy": (OURS, UNGUIDED, "se-ppo"), "trace": (OURS, "se-ppo")}
"""Worlds and learners of the quick plan."""


def worlds(plan: Plan) -> tuple[str, ...]:
    """Return the worlds of a plan.

    Recorded ones need a folder of recordings. The sensor is the plug-in of the guide to a custom
    environment and is there where it was loaded.
    """
    possible = [name for name, world in WORLDS.items() if plan.data or not world.recorded]
    if plan.quick:
        return tuple(name for name in possible if name in QUICK)
    return tuple(name for name in possible if name != "sensor" or "sensor" in systems())


def learners(plan: Plan, world: str) -> tuple[str, ...]:
    """Return the learners that are trained in a world."""
    return QUICK[world] if plan.quick else tuple(WORLDS[world].learners)


def rules(plan: Plan, world: str) -> tuple[str, ...]:
    """Return the policies that need no training; the quick plan has no planner."""
    named = WORLDS[world].rules
    return tuple(name for name in named if name in _FEW) if plan.quick else named


def moved(plan: Plan, world: str) -> tuple[str, ...]:
    """Return the arms of a world that were trained in another one of the plan."""
    sources = [one for one in WORLDS[world].moved_from if one in worlds(plan)]
    if world == "city":
        return tuple(f"{name}-from-town" for name in learners(plan, "town")) if sources else ()
    return tuple(f"{OURS}-from-{source}" for source in sources)


def seeds(plan: Plan, world: str, name: str) -> int:
    """Return the number of seeds of a training."""
    if plan.quick:
        return plan.seeds
    return max(2, round(plan.seeds * WORLDS[world].learners[name]))


__all__ = ["ABLATIONS", "AHEAD", "DECOMPOSED", "HINDSIGHT", "LEARNERS", "LONG", "LONGER", "OURS"]
__all__ += ["PLANNED", "PLANNER", "PRICED", "RECORDED", "TEAM", "TIMES", "UNGUIDED", "VARIANTS"]
__all__ += ["FURTHER", "GROUP", "SHIPPED", "SHIPPED_SEED", "WORLDS", "World"]
__all__ += ["learners", "moved", "rules", "seeds", "worlds"]
