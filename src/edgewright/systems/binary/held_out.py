"""Exams: held-out slots of every scenario of an evaluation with their least cost."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array
from edgewright.loops.adapt import Exam
from edgewright.loops.meta import start
from edgewright.specs.schema import Evaluation
from edgewright.systems.binary import BinaryWorld, needs
from edgewright.systems.binary.baselines import MOST_DEVICES, lower_bound, optimum
from edgewright.systems.system import Built


def is_exact(world: BinaryWorld) -> bool:
    """Say whether the least cost is known, or only a bound below it."""
    return world.objective == "separable" or world.devices <= MOST_DEVICES


def draw_exams(plan: Evaluation, built: Built) -> Exam:
    """Return ``built.horizon`` held-out slots of each scenario, leaves ``[E, S, ...]``.

    Above 20 devices ``optimum`` is the convex bound, so a ratio to it is at least what it says.
    """
    tasks = built.hidden.test
    return _drawn(jax.random.key(plan.seed + 1), built.world, tasks, built.horizon)


@functools.partial(jax.jit, static_argnames=("world", "slots"))
def _drawn(key: Array, world: BinaryWorld, tasks: Any, slots: int) -> Exam:
    def one(both: tuple[Array, Any]) -> Exam:
        key, params = both
        rows = start(tasks.stream(params), key, slots)
        if is_exact(world):
            return Exam(rows=rows, optimum=optimum(world, params, rows.gain))
        bound = functools.partial(lower_bound, world.objective)
        least = jax.vmap(lambda gain: bound(needs(params, gain)))(rows.gain)
        return Exam(rows=rows, optimum=least)

    keys = jax.random.split(key, tasks.count)
    return jax.lax.map(one, (keys, tasks.params))  # one by one: 2^N costs a slot are held at once


def bound(built: Built, exams: Exam, missed_reward: float) -> Array:
    """Return the reward of the optimum in each scenario ``[E]``, or more than that."""
    return -jnp.mean(exams.optimum, axis=1) / built.world.devices
