"""Name the rules and planners of the caching world, none of which needs training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.loops.evaluate import full_information
from edgewright.streams.channel import RecordedRows
from edgewright.streams.compose import Composite
from edgewright.systems.caching.baselines import placement, true_model
from edgewright.systems.caching.baselines.offloading import Offloading
from edgewright.systems.caching.baselines.true_model import TrueModelPlanner
from edgewright.systems.caching.baselines.two_level import SlotRule, TwoRules
from edgewright.systems.caching.optimum import optimum, solvable
from edgewright.systems.caching.requests import fixed_law
from edgewright.systems.caching.world import CachingWorld
from edgewright.systems.system import PolicyEntry, Problem

USUAL = (
    "random",
    "none+nearest-equal",
    "all+nearest-equal",
    "all+nearest-root",
    "random+search-root",
    "lru+hit-root",
    "lfu+hit-root",
    "popular+hit-equal",
    "popular+hit-root",
    "spread+hit-root",
    "spread+search-root",
)
"""Policies that need no training, in the order of tables."""

ASSOCIATIONS = ("nearest", "hit", "search", "random", "cem")
SHARES = ("equal", "root", "random", "zero")
PLANNED_SHARES = ("equal", "root")


def _fixed(value: float) -> Callable[[Problem], placement.Fixed]:
    def make(problem: Problem) -> placement.Fixed:
        world: CachingWorld = problem.world
        return placement.Fixed(priority=jnp.full((world.servers, world.services), value))

    return make


PLACEMENTS: dict[str, Callable[[Problem], Any]] = {
    "none": _fixed(-1.0),
    "all": _fixed(1.0),
    "random": lambda problem: placement.RandomCache(),
    "lfu": lambda problem: placement.LeastFrequentlyUsed(),
    "lru": lambda problem: placement.LeastRecentlyUsed(),
    "popular": lambda problem: placement.Popular.of(problem.world.services),
    "spread": lambda problem: placement.Popular.of(problem.world.services, spread=True),
    "knapsack": lambda problem: placement.known_law(problem.params, _law(problem)),
}
"""Rules for the caches, by name."""


def policy_names(problem: Problem) -> list[str]:
    """Return the names of the policies that need no training, in the order of tables."""
    world: CachingWorld = problem.world
    names = [_without_shares(name, world) for name in USUAL]
    known = ["knapsack+search-root"] if fixed_law(problem) is not None else []
    known += [] if _follows_a_log(problem) else ["spread+cem-root"]
    loophole = ["all+nearest-zero"] if world.zero_share == "fallback" else []
    exact = ["optimum"] if solvable(problem) else []
    extra = [_without_shares(name, world) for name in known + loophole]
    return [*dict.fromkeys([*names, *extra, *exact])]


def policy(name: str, problem: Problem) -> PolicyEntry | None:
    """Return a policy by name, ``PLACEMENT+ASSOCIATION-SHARES``, e.g. ``lfu+hit-root``.

    Without the shares where the world divides its resources itself. ``random`` draws everything;
    ``optimum`` is exact, where the world is small and its requests are independent; ``cem`` plans
    on the world itself, ``cem-root`` for the servers alone. All know the state and the present
    requests, but not the future; oracles also know the law of the inputs.

    Raises:
        InputError: a part of the name is unknown, or the law of the requests is not known.
    """
    world: CachingWorld = problem.world
    if name == "optimum":
        return PolicyEntry(name, "oracle", optimum(problem), full_information, world)
    if name == "random":
        rest = "random" if world.shares == "square_root" else "random-random"
        made = TwoRules(placement=placement.RandomCache(), offloading=_offloading(problem, rest))
        return PolicyEntry(name, "rule", made, full_information, world)
    upper, plus, lower = name.partition("+")
    if not plus:
        return None
    made = TwoRules(placement=_placement(upper, problem), offloading=_offloading(problem, lower))
    informed = upper == "knapsack" or lower.startswith("cem")
    group = "oracle" if informed else "rule"
    return PolicyEntry(name, group, made, full_information, world)


def level_rule(level: str, name: str, problem: Problem) -> TwoRules:
    """Return a rule for one level of a learner of two: the half of a policy's name.

    Args:
        level: ``"upper"``, e.g. with the name ``lfu``, or ``"lower"``, e.g. with ``search-root``.

    Raises:
        InputError: there is none of that name.
    """
    if level == "upper":
        made = _placement(name, problem)
        rest = _without_shares("random-random", problem.world)
        return TwoRules(placement=made, offloading=_offloading(problem, rest))
    lower = _offloading(problem, _without_shares(name, problem.world))
    return TwoRules(placement=PLACEMENTS["none"](problem), offloading=lower)


def _placement(name: str, problem: Problem) -> Any:
    """Return the rule for the caches of that name.

    Raises:
        InputError: there is none, or it needs a law of the requests that is not known.
    """
    if name not in PLACEMENTS:
        hint = nearest(name, PLACEMENTS)
        raise InputError(f"unknown rule for the caches '{name}'", where=name, hint=hint)
    return PLACEMENTS[name](problem)


def _without_shares(name: str, world: CachingWorld) -> str:
    """Return the name in a world that divides its resources itself."""
    return name.rpartition("-")[0] if world.shares == "square_root" and "-" in name else name


def _offloading(problem: Problem, name: str) -> SlotRule:
    """Return the rule for a slot of that name.

    Raises:
        InputError: there is none.
    """
    world: CachingWorld = problem.world
    association, _, shares = name.partition("-")
    divided = world.shares == "square_root"
    if association not in ASSOCIATIONS:
        hint = nearest(association, ASSOCIATIONS)
        raise InputError(f"unknown rule for the servers '{association}'", hint=hint)
    if divided and shares:
        message = f"the world divides its resources itself, so '{shares}' changes nothing"
        raise InputError(message, hint=f"write '{association}'")
    if association == "cem" and shares in ("", *PLANNED_SHARES):
        return _planner(problem, shares)
    known = PLANNED_SHARES if association == "cem" else SHARES
    if not divided and shares not in known:
        hint = f"write '{association}-root'" if not shares else nearest(shares, known)
        message = f"unknown rule for the shares '{shares}'" if shares else "no rule for the shares"
        raise InputError(message, where=name, hint=hint)
    return Offloading(world=world, association=association, shares="root" if divided else shares)  # pyright: ignore[reportArgumentType]


def _planner(problem: Problem, shares: str) -> TrueModelPlanner:
    """Return the planner that knows the world; without shares it searches for them too."""
    if _follows_a_log(problem):
        message = "with queues it looks ahead, and on recorded requests that is looking them up"
        raise InputError(message, where="cem", hint="use search, which decides for one slot")
    base = Offloading(world=problem.world, association="search", shares=shares or "root")  # pyright: ignore[reportArgumentType]
    carries = problem.world.queues
    return TrueModelPlanner(
        base=base,
        stream=problem.train_stream,
        search=true_model.SEARCH,
        weights=not shares,
        horizon=true_model.HORIZON if carries else 1,
        futures=true_model.FUTURES if carries else 1,
    )


def _follows_a_log(problem: Problem) -> bool:
    """Return whether a planner that looks ahead would see the recorded requests to come."""
    stream = problem.train_stream
    recorded = isinstance(stream, Composite) and isinstance(stream.fields["service"], RecordedRows)
    return problem.world.queues and recorded


def _law(problem: Problem) -> np.ndarray:
    """Return the probabilities ``[K]`` of the services.

    Raises:
        InputError: they change, or are recorded.
    """
    law = fixed_law(problem)
    if law is None:
        message = "the law of the requests changes, or is recorded"
        raise InputError(message, where="knapsack", hint="use spread, which goes by averages")
    return law
