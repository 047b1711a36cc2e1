"""Measure how fast policies decide, one observation at a time."""

from __future__ import annotations

import time

import jax
import numpy as np

from edgewright.loops.evaluate import episode_inputs
from edgewright.scenarios.build import build
from edgewright.specs.schema import Scenario
from edgewright.systems.system import PolicyEntry

REPEATS = 5
CALLS = 400
"""Most decisions of a repeat."""

SECONDS = 0.5
"""Longest duration of a repeat, unless one decision takes longer [s]."""


def speed(
    policy_entries: list[PolicyEntry], scenario: Scenario, data: str | None
) -> dict[str, np.ndarray]:
    """Measure decisions per second of one observation at a time, ``speed`` [1, repeats].

    Only the first policy is measured. The program is compiled before the clock starts.
    """
    problem = build(scenario, data)
    policy_entry = policy_entries[0]
    world, params = policy_entry.world, problem.params
    rows = episode_inputs(jax.random.key(0), problem.test_stream, 2, 2, {})
    x = jax.tree.map(lambda leaf: leaf[0, 0], rows)
    see = policy_entry.observe_fn or world.observe
    observation = see(params, world.reset(params, x), x)
    policy, key = policy_entry.policy, jax.random.key(0)
    carry = policy.init_carry(key)
    decide = jax.jit(lambda observation: policy.act(key, carry, observation)[1].action)
    jax.block_until_ready(decide(observation))
    rates = []
    for _ in range(REPEATS):
        calls, began, elapsed = 0, time.perf_counter(), 0.0
        while calls < CALLS and elapsed < SECONDS:
            jax.block_until_ready(decide(observation))
            calls, elapsed = calls + 1, time.perf_counter() - began
        rates.append(calls / elapsed)
    return {"speed/decisions_per_s": np.array([rates])}
