"""Build the held-out slots of every evaluation task, with their least cost."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array
from edgewright.loops.adapt import HeldOutSet
from edgewright.loops.meta import first_rows
from edgewright.specs.schema import Evaluation
from edgewright.systems.binary import BinaryWorld, needs
from edgewright.systems.binary.baselines import MAX_DEVICES, lower_bound, optimum
from edgewright.systems.system import Problem


def is_exact(world: BinaryWorld) -> bool:
    """Return whether the least cost is known, or only a bound below it."""
    return world.objective == "separable" or world.devices <= MAX_DEVICES


def draw_held_out(plan: Evaluation, problem: Problem) -> HeldOutSet:
    """Return ``built.horizon`` held-out slots of each scenario, leaves ``[E, S, ...]``.

    Above 20 devices ``optimum`` is the convex bound, so a ratio to it is at least what it says.
    """
    tasks = problem.tasks.test
    return _drawn(jax.random.key(plan.seed + 1), problem.world, tasks, problem.horizon)


@functools.partial(jax.jit, static_argnames=("world", "slots"))
def _drawn(key: Array, world: BinaryWorld, tasks: Any, slots: int) -> HeldOutSet:
    def one(both: tuple[Array, Any]) -> HeldOutSet:
        key, params = both
        rows = first_rows(tasks.stream(params), key, slots)
        if is_exact(world):
            return HeldOutSet(rows=rows, optimum=optimum(world, params, rows.gain))
        bound = functools.partial(lower_bound, world.objective)
        least = jax.vmap(lambda gain: bound(needs(params, gain)))(rows.gain)
        return HeldOutSet(rows=rows, optimum=least, exact=False)

    keys = jax.random.split(key, tasks.count)
    return jax.lax.map(one, (keys, tasks.params))  # one by one: 2^N costs a slot are held at once


def bound(problem: Problem, held_out: HeldOutSet, post_termination_reward: float) -> Array:
    """Return the reward of the optimum in each scenario ``[E]``, or more than that."""
    return -jnp.mean(held_out.optimum, axis=1) / problem.world.devices
