"""Measure how long one decision of a policy takes on this machine."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.scenarios.build import Problem
from edgewright.systems.system import PolicyEntry

WARM, CALLS, LONGEST_S = 3, 30, 3.0
"""Calls before the clock counts, calls that are timed, and seconds after which no other begins."""


def decision_ms(entry: PolicyEntry, problem: Problem) -> float | None:
    """Return the milliseconds of one decision in one environment; None for an oracle of the future.

    It is the median of several calls of the compiled function, from an observation to an action,
    the first ones left out. It depends on the machine and on what else runs there.

    Args:
        entry: a policy; of one that has a network for each task, the first task's is measured.
        problem: whose first training input it decides on.
    """
    if entry.policy is None:
        return None
    policy: Any = entry.policy if hasattr(entry.policy, "act") else entry.policy.policy(0)
    stream = problem.train_stream
    _, rows = stream.next_rows(stream.init_carry(jax.random.key(0)), 1)
    x = jax.tree.map(lambda leaf: leaf[0], rows)
    state = entry.world.reset(problem.params, x)
    observe = entry.observe_fn or entry.world.observe
    observation = observe(problem.params, state, x)
    key = jax.random.key(0)
    decide = jax.jit(lambda *given: _action(policy.act(*given)))
    given = key, policy.init_carry(key), jax.tree.map(jnp.asarray, observation)
    taken, began = [], time.perf_counter()
    for number in range(WARM + CALLS):
        start = time.perf_counter()
        jax.block_until_ready(decide(*given))
        end = time.perf_counter()
        taken.append(1e3 * (end - start))
        if number >= WARM and end - began > LONGEST_S:
            break
    return float(np.median(taken[WARM:]))


def _action(result: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the memory and the action: what a caller needs of a decision."""
    carry, decision = result
    return carry, decision.action


__all__ = ["decision_ms"]
