"""Brackets: what is reached and what cannot be passed, on identical inputs.

For a scenario of the AIGC world, feasible policies and plans made in hindsight bound the optimum
from below, relaxations from above; the optimum with perfect information lies between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import numpy as np

from edgewright.core.errors import InputError
from edgewright.evaluation import statistics
from edgewright.loops.evaluate import summarise
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.specs.schema import Scenario
from edgewright.systems.aigc.baselines import fluid, no_self_congestion
from edgewright.systems.aigc.baselines.rollout import MAX_DEVICES
from edgewright.systems.aigc.optimum import solvable
from edgewright.training import store
from edgewright.training.runs import evaluation_inputs

Kind = Literal["feasible", "hindsight", "exact", "bound"]

FEASIBLE = ("greedy", "battery-price", "shadow-price", "rollout-12")
"""Policies that know nothing of the future of the episodes they play."""

HINDSIGHT = ("clairvoyant-12", "beam-64")
"""Plans made with the whole episode known: they can be played, but not by anybody who must wait."""

BOUNDS: dict[str, Callable[..., Any]] = {
    "no congestion, no battery": lambda *known: no_self_congestion(*known, battery=False),
    "no congestion": no_self_congestion,
    "fluid": fluid,
}
"""What nobody can pass, loosest first."""

PRESETS = ("aigc-light", "aigc-heavy", "aigc-lowpower", "aigc-scaling", "aigc-trace", "aigc-toy")
"""The scenarios of one device that ``edgewright bounds`` draws when none is named."""

ENTRIES = len(FEASIBLE) + len(HINDSIGHT) + len(BOUNDS)
"""How many a scenario of one device has, unless its optimum is known as well."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One policy, plan or bound: its mean over episodes with a 95 % interval."""

    name: str
    kind: Kind
    values: np.ndarray  # [E]
    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Bracket:
    """All entries of one scenario, and the two that are nearest to the optimum."""

    label: str
    entries: dict[str, Entry]

    @property
    def reached(self) -> float:
        """Return the most that any policy or plan earns on average."""
        return max(e.mean for e in self.entries.values() if e.kind != "bound")

    @property
    def limit(self) -> float:
        """Return the least of the bounds on average."""
        return min(e.mean for e in self.entries.values() if e.kind == "bound")


def brackets(
    problem: Problem,
    inputs: Any,
    post_termination_reward: float,
    policies: Sequence[str] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> dict[str, Entry]:
    """Return what is reached and what bounds it, by name, all on the same ``inputs``.

    Args:
        inputs: leaves ``[T + 1, E, ...]``.
        policies: names; left out, those of :data:`FEASIBLE` and :data:`HINDSIGHT` that can plan
            for so many devices, and the exact optimum where it can be found.
        on_progress: called with each name before its episodes run.
    """
    if policies is None:
        devices = problem.world.devices
        exact = ["optimum"] if solvable(problem) else []
        most = {"beam": 1, "rollout": MAX_DEVICES, "clairvoyant": MAX_DEVICES}
        policies = [
            name
            for name in (*FEASIBLE, *exact, *HINDSIGHT)
            if devices <= most.get(name.split("-")[0], devices)
        ]
    found: dict[str, Entry] = {}
    for name in policies:
        if on_progress:
            on_progress(name)
        played = baseline(name, problem).play(jax.random.key(0), problem.params, inputs)
        values = summarise(played, np.float32(post_termination_reward))["reward"]
        kinds: dict[str, Kind] = {
            "clairvoyant": "hindsight",
            "beam": "hindsight",
            "optimum": "exact",
        }
        found[name] = _entry(name, kinds.get(name.split("-")[0], "feasible"), values)
    for name, bound in BOUNDS.items():
        if on_progress:
            on_progress(name)
        try:
            values = bound(problem.world, problem.params, inputs, post_termination_reward)
        except InputError:  # no bound holds in this world
            continue
        found[name] = _entry(name, "bound", values)
    return found


def bracketed(name: str, data: str | None = None) -> tuple[Scenario[Any, Any, Any], Problem]:
    """Return a scenario that can be bracketed, built.

    Args:
        name: of a shipped scenario, or a file.
        data: folder of recordings, where the scenario is driven by them.

    Raises:
        InputError: there is none of that name, it is not one of the AIGC world, or its recordings
            are missing.
    """
    scenario = load(name)
    if scenario.world.kind != "aigc":
        message = f"brackets are for the AIGC world, and this is '{scenario.world.kind}'"
        raise InputError(message, where=name, hint="use edgewright compare")
    return scenario, build(scenario, data)


def bracket(
    scenario: Scenario[Any, Any, Any],
    problem: Problem,
    *,
    episodes: int | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Bracket:
    """Return the bracket of a scenario on its own evaluation episodes: what a figure draws."""
    inputs = evaluation_inputs(scenario, problem, episodes)
    missed = scenario.evaluation.post_termination_reward
    return Bracket(scenario.name, brackets(problem, inputs, missed, on_progress=on_progress))


def summary(rows: Sequence[Bracket]) -> dict[str, Any]:
    """Return what ``result.json`` of ``edgewright bounds`` holds."""

    def entry(one: Entry) -> dict[str, Any]:
        numbers = {"mean": one.mean, "low": one.low, "high": one.high}
        return {"name": one.name, "kind": one.kind, "episodes": one.values.size, **numbers}

    return {
        "schema": store.SCHEMA,
        "brackets": [
            {
                "scenario": row.label,
                "reached": row.reached,
                "limit": row.limit,
                "entries": [entry(one) for one in row.entries.values()],
            }
            for row in rows
        ],
    }


def _entry(name: str, kind: Kind, values: Any) -> Entry:
    values = np.asarray(values)
    interval = statistics.mean_interval(values)
    return Entry(name, kind, values, interval.estimate, interval.low, interval.high)


__all__ = [
    "BOUNDS",
    "ENTRIES",
    "FEASIBLE",
    "HINDSIGHT",
    "PRESETS",
    "Bracket",
    "Entry",
    "bracket",
    "bracketed",
    "brackets",
    "summary",
]
