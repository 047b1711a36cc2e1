"""Name the rules, oracles and planners of the AIGC world, none of which needs training."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax

from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy
from edgewright.loops.evaluate import full_information
from edgewright.systems.aigc import AigcWorld
from edgewright.systems.aigc.baselines import (
    AigcHeuristic,
    BatteryPrice,
    Greedy,
    GreedyInTurn,
    PricedRollout,
    Random,
    Rollout,
    Rule,
    beam_search,
    hindsight_policy,
    price_battery,
)
from edgewright.systems.aigc.baselines.rollout import MAX_DEVICES
from edgewright.systems.aigc.optimum import optimum, solvable
from edgewright.systems.system import Group, PolicyEntry, Problem

TOLLS = {"battery-price": (0.0,), "shadow-price": (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)}
"""Prices of room in the queues that a priced greedy may choose from."""

_FIXED = re.compile(r"(local|shortest)-(\d+)")


BASELINE_NAMES = [
    "random",
    "local-0",
    "local-1",
    "local-2",
    "shortest-0",
    "shortest-1",
    "shortest-2",
    "heuristic",
    "heuristic-fair",
    "greedy-nominal",
    "greedy-location",
    "greedy",
    "greedy-in-turn",
    "battery-price",
    "shadow-price",
    "rollout-12",
]
"""Policies that need no training, in the order of tables, for the usual three quality levels."""


def policy_names(problem: Problem) -> list[str]:
    """Return the names of the policies that need no training, in the order of tables.

    For several devices the planner is left out, because it may take hours, and so are the priced
    rules, whose prices are found by playing: name them where they are wanted. For a single one,
    greedy in turn is left out, because it is greedy. Planners that know the future are not policies
    that anybody could follow: they are played by name only.
    """
    world: AigcWorld = problem.world
    levels = range(world.qualities) if world.quality_action else range(0)
    fixed = [f"{location}-{level}" for location in ("local", "shortest") for level in levels]
    slow = [*TOLLS, "rollout-12"] if world.devices > 1 else ["greedy-in-turn"]
    rest = [name for name in BASELINE_NAMES[1:] if not _FIXED.fullmatch(name) and name not in slow]
    exact = ["optimum"] if solvable(problem) else []
    return ["random", *fixed, *rest, *exact]


def policy(name: str, problem: Problem) -> PolicyEntry | None:
    """Return a policy by name: see :func:`policy_names`; ``rollout-H`` looks ``H`` slots ahead.

    ``optimum`` is the exact one, where nothing is random but the mode (``aigc-toy``).
    ``clairvoyant-H`` and ``beam-W`` know all inputs of the episodes they play (``foresee``).

    All know the state and the present inputs (``full_information``); random and fixed rules do
    not look. Beyond what ``obs = "full"`` shows a learner, that is the others' work and the gap of
    the present slot, which the planner uses in its first step: an advantage for the planner.

    Raises:
        InputError: a planner is asked for more devices than it can plan for.
    """
    world: AigcWorld = problem.world
    simple: dict[str, tuple[Group, Policy]] = {
        "random": ("rule", Random(world=world)),
        "heuristic": ("rule", AigcHeuristic(world=world)),
        "heuristic-fair": ("rule", AigcHeuristic(world=world, fair=True)),
        "greedy-nominal": ("rule", Greedy(world=world, nominal=True)),
        "greedy-location": ("rule", Greedy(world=world, fixed_level=world.qualities // 2)),
        "greedy": ("rule", Greedy(world=world)),
        "greedy-in-turn": ("oracle", GreedyInTurn(world=world)),
    }
    known, missed = (world, problem.params), float(problem.params.rejected_reward)
    fixed = _FIXED.fullmatch(name)
    planner = re.fullmatch(r"(rollout|shadow-rollout|clairvoyant)-([1-9]\d*)", name)
    beam = re.fullmatch(r"beam-([1-9]\d*)", name)
    if name in simple:
        group, chosen = simple[name]
    elif fixed and int(fixed[2]) < world.qualities and world.quality_action:
        location = "local" if fixed[1] == "local" else "shortest"
        group, chosen = "rule", Rule(world=world, location=location, level=int(fixed[2]))
    elif planner:
        if world.devices > MAX_DEVICES:
            message = f"'{name}' plans for {MAX_DEVICES} devices at most, and there are"
            hint = "use greedy-in-turn, or fewer devices"
            raise InputError(f"{message} {world.devices}", hint=hint)
        if planner[1] == "clairvoyant":
            horizon = int(planner[2])
            return _oracle(
                name, problem, lambda inputs: hindsight_policy(*known, inputs, missed, horizon)
            )
        # Futures come from the train part: a planner knows no more of the inputs than a learner.
        model, horizon = problem.train_stream, int(planner[2])
        if planner[1] == "rollout":
            group, chosen = "oracle", Rollout(world=world, model=model, horizon=horizon)
        else:
            rule = _priced("shadow-price", problem)
            group, chosen = "oracle", PricedRollout(rule=rule, model=model, horizon=horizon)
    elif name in TOLLS:
        group, chosen = "oracle", _priced(name, problem)
    elif name == "optimum":
        group, chosen = "oracle", optimum(problem)
    elif beam:
        width = int(beam[1])
        return _oracle(name, problem, lambda inputs: beam_search(*known, inputs, missed, width))
    else:
        return None
    return PolicyEntry(name, group, chosen, full_information, world)


def _priced(name: str, problem: Problem) -> BatteryPrice:
    """Return the rule with the prices that earn most on training inputs."""
    key, stream = jax.random.key(0), problem.train_stream
    return price_battery(key, problem.world, problem.params, stream, problem.horizon, TOLLS[name])


def _oracle(name: str, problem: Problem, hindsight_policy: Callable[[Any], Policy]) -> PolicyEntry:
    """Return a planner that is handed the inputs of the episodes it plays."""
    return PolicyEntry(name, "oracle", None, full_information, problem.world, hindsight_policy)
