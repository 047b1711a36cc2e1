"""Name the rules, searches and the optimum of the binary world, none of which needs training."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.protocols import Policy
from edgewright.core.records import Array
from edgewright.loops import adapt
from edgewright.loops.evaluate import full_information
from edgewright.loops.initialisation import Initialisation, adaptation_key
from edgewright.systems.binary import BinaryWorld
from edgewright.systems.binary.baselines import (
    Fixed,
    Greedy,
    OneFlip,
    Optimum,
    Prefix,
    RandomActions,
    check_size,
)
from edgewright.systems.binary.held_out import is_exact
from edgewright.systems.binary.trainer import ADAPT_STEPS, judged
from edgewright.systems.system import Group, PolicyEntry, Problem

USUAL = (
    "random",
    "all-local",
    "all-offload",
    "greedy-selfish",
    "greedy-equal",
    "greedy-sequential",
    "random-10",
    "prefix",
    "one-flip",
    "optimum",
)
"""Policies that need no training, in the order of tables."""


def policy_names(problem: Problem) -> list[str]:
    """Return the names of all policies that need no training here."""
    return [name for name in USUAL if name != "optimum" or is_exact(problem.world)]


def policy(name: str, problem: Problem) -> PolicyEntry | None:
    """Return a policy by name: see :data:`USUAL`; ``random-K`` takes the best of K random actions.

    All know the numbers of the task, which no learner knows (``full_information``).

    Raises:
        InputError: the optimum of more than 20 devices is asked for.
    """
    world: BinaryWorld = problem.world
    simple: dict[str, tuple[Group, Policy]] = {
        "random": ("rule", RandomActions(world=world)),
        "all-local": ("rule", Fixed(world=world, bit=0)),
        "all-offload": ("rule", Fixed(world=world, bit=1)),
        "greedy-selfish": ("rule", Greedy(world=world, kind="selfish")),
        "greedy-equal": ("rule", Greedy(world=world, kind="equal")),
        "greedy-sequential": ("rule", Greedy(world=world, kind="sequential")),
        "prefix": ("rule", Prefix(world=world)),
        "one-flip": ("rule", OneFlip(world=world)),
        "optimum": ("oracle", Optimum(world=world)),
    }
    several = re.fullmatch(r"random-([1-9]\d*)", name)
    if several:
        chosen: tuple[Group, Policy] = (
            "rule",
            RandomActions(world=world, candidates=int(several[1])),
        )
    elif name in simple:
        if name == "optimum" and not is_exact(world):
            check_size(world.devices)
        chosen = simple[name]
    else:
        return None
    return PolicyEntry(name, *chosen, full_information, world)


def play(
    policy_entry: PolicyEntry,
    problem: Problem,
    held_out: adapt.HeldOutSet,
    seed: int,
    post_termination_reward: float,
) -> tuple[dict[str, Array], None]:
    """Return the metrics ``[E]`` of a policy in every task.

    An initialisation adapts to each for 20 gradient steps first; a bundle decides as it is.
    """
    tasks, devices = problem.tasks.test, problem.world.devices
    if isinstance(policy_entry.policy, Initialisation):
        start: Any = policy_entry.policy
        result = adapt.adapt_all(
            adaptation_key(seed),
            policy_entry.world,
            tasks,
            start.learner,
            start.networks(tasks.count),
            jnp.asarray([ADAPT_STEPS]),
            held_out,
        )
        return judged(jax.tree.map(lambda leaf: leaf[:, -1], result), devices), None
    if policy_entry.observe_fn is None:
        given = (policy_entry.world, tasks, policy_entry.policy, held_out)
        return judged(adapt.evaluate_proposer_all(jax.random.key(seed), *given), devices), None
    result = adapt.evaluate_informed_all(
        jax.random.key(seed), problem.world, tasks, policy_entry.policy, held_out
    )
    twice = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf], axis=-1), result)
    return judged(twice, devices), None
