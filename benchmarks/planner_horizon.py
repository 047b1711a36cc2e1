"""Why a plan of several slots may decide better where slots are independent.

    python benchmarks/planner_horizon.py --copies 16 --slots 24

The search of the HADRL study (64 candidates, 8 elites, 3 iterations) plans on the physics of
``caching-es2`` with a third of the users, so that no model is learned and none can be wrong. Caches
are fixed, every slot is drawn anew, and the inputs of the slots ahead are drawn from their law. The
plans of 1 and of 5 slots meet the same slots, with a search that starts from the last plan and with
one that starts anew. Differences are paired over copies.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.planning import imagined
from edgewright.evaluation.statistics import paired_difference
from edgewright.loops.unroll import next_rows
from edgewright.nets.unit_actions import from_unit
from edgewright.papers.hadrl.worlds import scenario_of
from edgewright.rules import cem
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.caching.latency import latency, task
from edgewright.systems.problem import Problem

SEARCH = cem.CEM(num_candidates=64, num_elites=8, iterations=3, elite_memory=True)
FUTURES = 3
"""Draws of the slots ahead over which a plan is scored."""

VARIANTS: dict[str, tuple[int, bool, cem.CEM]] = {
    "1 slot": (1, True, SEARCH),
    "5 slots": (5, True, SEARCH),
    "1 slot, anew": (1, False, dataclasses.replace(SEARCH, elite_memory=False)),
    "5 slots, anew": (5, False, dataclasses.replace(SEARCH, elite_memory=False)),
    "1 slot, 320 candidates": (
        1,
        True,
        dataclasses.replace(SEARCH, num_candidates=320, num_elites=40),
    ),
}
"""Slots ahead, whether a search starts from the last plan, and its settings."""


def played(problem: Problem, name: str, copies: int, slots: int) -> np.ndarray:
    """Return the mean latency ``[copies]`` [s] over slots that are the same for every variant."""
    horizon, warm, settings = VARIANTS[name]
    stream, keys = problem.test_stream, jax.random.split(jax.random.key(0), copies)
    carry = jax.vmap(stream.init_carry)(keys)
    _, rows = next_rows(stream, carry, slots)
    numbers = _numbers(problem)
    blank = cem.no_plan(settings, jnp.zeros((horizon, numbers)))

    def one(key: Any, rows: Any) -> Any:
        def slot(plan: cem.Plan, row: Any) -> tuple[cem.Plan, Any]:
            key, x = row
            start = cem.shifted(plan) if warm else blank
            plan = _planned(problem, settings, key, x, start)
            return plan, -_reward(problem, x, jnp.clip(cem.answer(settings, plan), -1.0, 1.0))

        keys = jax.random.split(key, slots)
        return jnp.mean(jax.lax.scan(slot, blank, (keys, rows))[1])

    run = jax.jit(jax.vmap(one, in_axes=(0, 1)))
    return np.asarray(run(jax.random.split(jax.random.key(1), copies), rows))


def _numbers(problem: Problem) -> int:
    return problem.world.users * (problem.world.servers + 2)


def _planned(problem: Problem, settings: cem.CEM, key: Any, x: Any, start: cem.Plan) -> cem.Plan:
    """Return the plan for a slot whose inputs are ``x``; those of later slots are drawn."""
    horizon, stream = start.mean.shape[0], problem.test_stream
    future_key, search_key = jax.random.split(key)
    carries = jax.vmap(stream.init_carry)(jax.random.split(future_key, FUTURES))
    _, drawn = next_rows(stream, carries, max(horizon - 1, 1))
    rows = jax.tree.map(
        lambda now, later: jnp.concatenate(
            [jnp.broadcast_to(now, (1, FUTURES, *now.shape)), later[: horizon - 1]]
        ),
        x,
        drawn,
    )

    def step(key: Any, index: Any, actions: Any) -> tuple[Any, Any]:
        now = jax.tree.map(lambda leaf: leaf[index], rows)
        of_future = jax.vmap(lambda row: jax.vmap(lambda a: _reward(problem, row, a))(actions))
        return index + 1, jnp.mean(of_future(now), axis=0)

    def score(key: Any, candidates: Any) -> Any:
        return imagined(key, step, lambda count: jnp.zeros((), jnp.int32), candidates)

    bound = jnp.ones(_numbers(problem))
    return cem.search(search_key, settings, score, start, -bound, bound)


def _reward(problem: Problem, x: Any, numbers: Any) -> Any:
    """Return minus the mean latency of a slot after numbers ``[A]`` in [-1, 1]."""
    world, params = problem.world, problem.params
    parts = [part for part in world.action_space(params).parts if part[0] != "cache"]
    action = from_unit(parts, numbers, False)
    state = dataclasses.replace(world.reset(params, x), cached=_cached(problem))
    weights = action["bandwidth"], action["speed"]
    served = latency(world, params, state, task(world, params, state, x), action["server"], weights)
    return -jnp.mean(served.total_s)


def _cached(problem: Problem) -> Any:
    """Return caches in which each service is at one server, as far as they fit."""
    world, params = problem.world, problem.params
    turn = jnp.arange(world.services) % world.servers == jnp.arange(world.servers)[:, None]
    priority = jnp.where(turn, 1.0 / (1.0 + jnp.arange(world.services)), -1.0)
    return world.placed(params, jnp.zeros(priority.shape), priority)


def main() -> None:
    """Print the latency of every variant, and its difference to a plan of one slot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=16)
    parser.add_argument("--slots", type=int, default=24)
    asked = parser.parse_args()
    problem = build(load(*scenario_of("es2-third")))
    results = {name: played(problem, name, asked.copies, asked.slots) for name in VARIANTS}
    first = next(iter(results))
    rows = []
    for name, values in results.items():
        change = paired_difference(values, results[first])
        rows.append(
            {
                "plan": name,
                "latency_s": round(float(values.mean()), 4),
                "more_than_first_s": [round(n, 4) for n in change.summary().values()],
            }
        )
    print(json.dumps({"copies": asked.copies, "slots": asked.slots, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
