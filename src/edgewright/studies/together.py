"""What training alone misses when everybody uses the policy at once, as a study and a figure.

Three ways to train for a fleet, scored on the same episodes of it, beside policies without learning
and bounds: alone and deployed together, together with one policy, together with one policy each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.baselines.aigc import fluid, no_self_congestion
from edgewright.core.errors import InputError
from edgewright.scenarios.load import load
from edgewright.scenarios.schema import Scenario
from edgewright.studies import figures, statistics, store
from edgewright.studies.compare import Comparison, compare, table
from edgewright.studies.style import save
from edgewright.studies.train import Report, Request, evaluation_inputs, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALONE, SHARED, EACH = "se-ppo-alone", "se-ppo", "se-ppo-independent"
"""Learners of the three arms, as ``scenarios/data/learners.toml`` has them."""

LABELS = {
    ALONE: "trained alone, deployed together",
    SHARED: "trained together, one policy",
    EACH: "trained together, a policy each",
}

Bound = Callable[[Any, Any, Any, float], Any]
"""``(world, params, inputs, missed_reward) -> [episodes]``: no policy's mean reward is above it."""

BOUNDS: dict[str, Bound] = {"no self-congestion": no_self_congestion, "fluid": fluid}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the study does; see :func:`full` and :func:`quick`."""

    out: Path
    scenario: Scenario
    steps: float
    seeds: int
    rules: tuple[str, ...]
    data: str | None = None
    bounds: Mapping[str, Bound] = dataclasses.field(default_factory=lambda: dict(BOUNDS))


def full(out: Path, scenario: str = "aigc-fleet") -> Plan:
    """Return the setting whose numbers the documentation quotes: ten seeds, with the planner."""
    chosen = load(scenario)
    rules = ["random", "greedy", "greedy-location", "greedy-in-turn"]
    if chosen.world.devices <= 32:
        rules.append("rollout-12")
    return Plan(out, chosen, chosen.training.steps, 10, tuple(rules))


def quick(out: Path, scenario: str = "aigc-fleet") -> Plan:
    """Return a setting that shows the figure in a minute or two: its numbers are rough."""
    chosen = load(scenario, {"evaluation.episodes": 4, "params.horizon_slots": 50})
    return Plan(out, chosen, 2e4, 2, ("random", "greedy", "greedy-in-turn"))


def together(plan: Plan, tell: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Train the three arms, score everybody on the same episodes, draw; return what came out.

    Runs, ``together.json`` and the figure are in ``plan.out``. A second call goes on where the
    first one stopped.

    Returns:
        ``policies`` and ``bounds`` (rows of a comparison, with paired differences to the scenario's
        baseline), ``differences`` (paired, to the arm that was trained together with one policy),
        and ``promised``: the reward of the policy that was trained alone in the world that it was
        trained for, where nobody else is.
    """
    say = tell or (lambda _: None)
    if plan.scenario.world.devices < 2:
        raise InputError("has one device, which is always alone", where=plan.scenario.name)
    folders = {}
    for learner in (ALONE, SHARED, EACH):
        say(f"train {learner}")
        folders[learner] = plan.out / learner
        quiet: Report | None = None
        request = Request(plan.scenario, learner, plan.steps, plan.seeds, plan.data)
        train(request, folders[learner], quiet)
    names = [*plan.rules, *map(str, folders.values())]
    compared = compare(plan.scenario, names, data=plan.data, report=say)
    found = _found(plan, compared)
    say("alone, as it was trained")
    found["promised"] = _promised(plan, folders[ALONE])
    save(draw(found), plan.out, "together")
    store.write_json(plan.out / "together.json", {"schema": store.SCHEMA, **found})
    return found


def _found(plan: Plan, compared: Comparison) -> dict[str, Any]:
    rows = table(compared)
    shared = compared.result(SHARED).metrics["reward"]
    differences = {}
    for result in compared.results:
        if result.name != SHARED:
            change = statistics.paired_difference(result.metrics["reward"], shared)
            differences[result.name] = dataclasses.asdict(change)
    inputs = evaluation_inputs(plan.scenario, compared.built)
    missed = plan.scenario.evaluation.missed_reward
    base = compared.result(rows["baseline"]).metrics["reward"]
    bounds = []
    for name, bound in plan.bounds.items():
        values = np.asarray(bound(compared.built.world, compared.built.params, inputs, missed))
        level = statistics.paired_difference(values[None], np.zeros(values.shape[-1]))
        change = statistics.paired_difference(values[None], base)
        row = {"policy": name, "group": "bound", "reward": level.estimate}
        row |= {"reward_low": level.low, "reward_high": level.high}
        change = {"mean": change.estimate, "low": change.low, "high": change.high}
        bounds.append({**row, "difference": {"to": rows["baseline"], **change}})
    return {
        "scenario": plan.scenario.name,
        "devices": plan.scenario.world.devices,
        "steps": plan.steps,
        "seeds": plan.seeds,
        "episodes": rows["episodes"],
        "baseline": rows["baseline"],
        "policies": rows["policies"],
        "bounds": bounds,
        "differences": differences,
    }


def _promised(plan: Plan, folder: Path) -> dict[str, float]:
    """Return the reward of the policy trained alone where every device *is* alone."""
    world = dataclasses.replace(plan.scenario.world, alone=True)
    apart = dataclasses.replace(plan.scenario, world=world)
    compared = compare(apart, [str(folder)], data=plan.data)
    reward = compared.result(ALONE).metrics["reward"]
    level = statistics.paired_difference(reward, np.zeros(reward.shape[-1]))
    return dataclasses.asdict(level)


def draw(found: dict[str, Any]) -> Figure:
    """Draw paired differences to the baseline, on identical episodes; the lowest bound across."""
    ordered = sorted(found["policies"], key=lambda row: row["reward"])
    rows = [_drawn(row, str(LABELS.get(row["policy"], row["policy"]))) for row in ordered]
    least = min(found["bounds"], key=lambda row: row["reward"])
    bound = _drawn(least, f"bound ({least['policy']})")
    to = f"{found['baseline']}, {found['devices']} devices (reward per slot)"
    return figures.comparison(rows, bound, xlabel=f"difference to {to}")


def _drawn(row: dict[str, Any], label: str) -> figures.Row:
    """Return the paired difference of a row; that of the baseline to itself is 0."""
    change = row["difference"] or {"mean": 0.0, "low": 0.0, "high": 0.0}
    return figures.Row(label, row["group"], change["mean"], change["low"], change["high"])
