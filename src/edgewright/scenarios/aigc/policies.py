"""Policies of the AIGC world by name: every rule, oracle and planner that needs no training."""

from __future__ import annotations

import re

from edgewright.baselines.aigc import AigcHeuristic, Greedy, GreedyInTurn, Random, Rollout, Rule
from edgewright.baselines.aigc.rollout import MOST_DEVICES
from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy
from edgewright.loops.evaluate import full_information
from edgewright.scenarios.system import Built, Contender, Group
from edgewright.worlds.aigc import AigcWorld

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
    "rollout-12",
]
"""Policies that need no training, in the order of tables, for the usual three quality levels."""


def policy_names(built: Built) -> list[str]:
    """Return the names of the policies that need no training, in the order of tables.

    For several devices the planner is left out, because it may take hours: name it where it is
    wanted. For a single one, greedy in turn is left out, because it is greedy.
    """
    world: AigcWorld = built.world
    levels = range(world.qualities) if world.quality_action else range(0)
    fixed = [f"{place}-{level}" for place in ("local", "shortest") for level in levels]
    slow = ["rollout-12"] if world.devices > 1 else ["greedy-in-turn"]
    rest = [name for name in BASELINE_NAMES[1:] if not _FIXED.fullmatch(name) and name not in slow]
    return ["random", *fixed, *rest]


def policy(name: str, built: Built) -> Contender | None:
    """Return a policy by name: see :func:`policy_names`; ``rollout-H`` looks ``H`` slots ahead.

    All are told the state and the present inputs (``full_information``); random and fixed rules do
    not look. Beyond what ``obs = "full"`` shows a learner, that is the others' work and the gap of
    the present slot, which the planner uses in its first step: an advantage for the planner.

    Raises:
        InputError: the planner is asked for more devices than it can plan for.
    """
    world: AigcWorld = built.world
    simple: dict[str, tuple[Group, Policy]] = {
        "random": ("rule", Random(world=world)),
        "heuristic": ("rule", AigcHeuristic(world=world)),
        "heuristic-fair": ("rule", AigcHeuristic(world=world, fair=True)),
        "greedy-nominal": ("rule", Greedy(world=world, nominal=True)),
        "greedy-location": ("rule", Greedy(world=world, fixed_level=world.qualities // 2)),
        "greedy": ("rule", Greedy(world=world)),
        "greedy-in-turn": ("oracle", GreedyInTurn(world=world)),
    }
    fixed = _FIXED.fullmatch(name)
    planner = re.fullmatch(r"rollout-([1-9]\d*)", name)
    if name in simple:
        group, chosen = simple[name]
    elif fixed and int(fixed[2]) < world.qualities and world.quality_action:
        place = "local" if fixed[1] == "local" else "shortest"
        group, chosen = "rule", Rule(world=world, place=place, level=int(fixed[2]))
    elif planner:
        if world.devices > MOST_DEVICES:
            problem = f"'{name}' plans for {MOST_DEVICES} devices at most, and there are"
            hint = "use greedy-in-turn, or fewer devices"
            raise InputError(f"{problem} {world.devices}", hint=hint)
        # Futures come from the train part: a planner knows no more of the inputs than a learner.
        model = built.train_stream
        group, chosen = "oracle", Rollout(world=world, model=model, horizon=int(planner[1]))
    else:
        return None
    return Contender(name, group, chosen, full_information, world)
