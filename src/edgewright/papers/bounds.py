"""Bound the optimum of scenarios from both sides, on identical inputs.

Feasible policies and plans made in hindsight bound the optimum with perfect information from below,
relaxations bound it from above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from edgewright.core.errors import InputError
from edgewright.evaluation.bounds import Entry, Kind, ScenarioBounds, entry
from edgewright.loops.evaluate import summarise
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.specs.schema import Scenario
from edgewright.systems.aigc.baselines import fluid, no_self_congestion
from edgewright.systems.aigc.baselines.rollout import MAX_DEVICES
from edgewright.systems.aigc.optimum import solvable
from edgewright.systems.registry import system_of
from edgewright.training.runs import evaluation_inputs

FEASIBLE = ("greedy", "battery-price", "shadow-price", "rollout-12")
"""Policies that do not know the future of the episodes."""

HINDSIGHT = ("clairvoyant-12", "beam-64")
"""Plans made with the inputs of the whole episode; a real device does not know them in time."""

BOUNDS: dict[str, Callable[..., Any]] = {
    "no congestion, no battery": lambda *known: no_self_congestion(*known, battery=False),
    "no congestion": no_self_congestion,
    "fluid": fluid,
}
"""Upper bounds, loosest first."""

PRESETS = ("aigc-light", "aigc-heavy", "aigc-lowpower", "aigc-scaling", "aigc-trace", "aigc-toy")
"""Scenarios of one device that ``edgewright bounds`` draws by default."""

ENTRIES = len(FEASIBLE) + len(HINDSIGHT) + len(BOUNDS)
"""Number of entries of a scenario of one device whose exact optimum is not known."""


def measure_bounds(
    problem: Problem,
    inputs: Any,
    post_termination_reward: float,
    policies: Sequence[str] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> dict[str, Entry]:
    """Return the entries of policies, plans and bounds by name, all on the same ``inputs``.

    Args:
        problem: a built AIGC scenario.
        inputs: leaves ``[T + 1, E, ...]``.
        post_termination_reward: reward of every slot after the early end of an episode.
        policies: names; by default those of :data:`FEASIBLE` and :data:`HINDSIGHT` that can plan
            for so many devices, and the exact optimum if the scenario can be solved.
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
    entries: dict[str, Entry] = {}
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
        entries[name] = entry(name, kinds.get(name.split("-")[0], "feasible"), values)
    for name, bound in BOUNDS.items():
        if on_progress:
            on_progress(name)
        try:
            values = bound(problem.world, problem.params, inputs, post_termination_reward)
        except InputError:  # no bound holds in this world
            continue
        entries[name] = entry(name, "bound", values)
    return entries


def load_bounded(name: str, data: str | None = None) -> tuple[Scenario[Any, Any, Any], Problem]:
    """Return a scenario whose optimum can be bounded, and its problem.

    Args:
        name: name of a preset, or a file.
        data: folder of recordings, if the scenario needs them.

    Raises:
        InputError: the scenario is unknown or of another system, or its recordings are missing.
    """
    scenario = load(name)
    kind = scenario.world.kind
    if kind != "aigc" and not system_of(kind).bounded:
        message = f"the optimum of a scenario of '{kind}' cannot be bounded"
        raise InputError(message, where=name, hint=f"use edgewright compare {name}")
    return scenario, build(scenario, data)


def entry_count(problem: Problem) -> int:
    """Return the number of entries of a scenario, for progress."""
    return ENTRIES if problem.kind == "aigc" else len(_played(problem)) + 1


def _played(problem: Problem) -> list[str]:
    """Return the policies that a system plays below its bound, by the names that they have here.

    A world that divides its servers itself has ``spread+hit`` for ``spread+hit-root``.
    """
    system = system_of(problem.kind)
    known, usual = system.policy_names(problem), {*system.bounded}
    usual |= {name.rpartition("-")[0] for name in usual}
    return [name for name in known if name in usual or name == "optimum"]


def _system_bounds(
    problem: Problem,
    inputs: Any,
    post_termination_reward: float,
    on_progress: Callable[[str], None] | None,
) -> dict[str, Entry]:
    """Return the entries of the policies and of the bound that a system names."""
    system = system_of(problem.kind)
    assert system.bound is not None
    entries: dict[str, Entry] = {}
    for name in _played(problem):
        if on_progress:
            on_progress(name)
        played, _ = system.play(
            baseline(name, problem), problem, inputs, 0, post_termination_reward
        )
        kind: Kind = "exact" if name == "optimum" else "feasible"
        entries[name] = entry(name, kind, played["reward"])
    if on_progress:
        on_progress(system.bound_name)
    values = system.bound(problem, inputs, post_termination_reward)
    entries[system.bound_name] = entry(system.bound_name, "bound", values)
    return entries


def scenario_bounds(
    scenario: Scenario[Any, Any, Any],
    problem: Problem,
    *,
    episodes: int | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> ScenarioBounds:
    """Return the bounds of a scenario on its own evaluation episodes."""
    inputs = evaluation_inputs(scenario, problem, episodes)
    reward = scenario.evaluation.post_termination_reward
    if problem.kind != "aigc":
        return ScenarioBounds(scenario.name, _system_bounds(problem, inputs, reward, on_progress))
    return ScenarioBounds(
        scenario.name, measure_bounds(problem, inputs, reward, on_progress=on_progress)
    )
