"""Measure the speed of the caching world beside its user-by-user loop, and of a decision."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.loops.evaluate import full_information
from edgewright.loops.unroll import RolloutState, init_rollout, next_rows, unroll
from edgewright.systems.caching.baselines.offloading import Offloading
from edgewright.systems.caching.baselines.placement import Fixed
from edgewright.systems.caching.baselines.two_level import TwoRules
from edgewright.systems.caching.plain import play
from edgewright.systems.caching.requests import fixed_law
from edgewright.systems.problem import Problem
from edgewright.systems.system import BenchContext

COPIES, ROWS = 1024, 48
"""Copies of the world, and steps of each, in one call."""

PLAIN_SLOTS = 300
"""Slots that the loop plays."""

PLANNED = "hadrl"
"""The learner whose decisions are timed."""


def measure(context: BenchContext) -> dict[str, Any]:
    """Return slots per second of the world and of the loop, and milliseconds of a decision.

    Raises:
        InputError: a reference script is named, or the requests have no fixed law.
    """
    if context.reference_script:
        message = "the caching world is measured beside its own loop only"
        raise InputError(message, where="--reference-script", hint="leave it out")
    context.on_progress("world, beside a loop over users")
    result: dict[str, Any] = {"world": _world(context.problem, context.rate)}
    context.on_progress(f"a decision of {PLANNED}")
    result["decision"] = _decision(context)
    return result


def _world(problem: Problem, rate: Any) -> dict[str, Any]:
    world, params, stream = problem.world, problem.params, problem.train_stream
    policy = TwoRules(
        placement=Fixed(priority=jnp.ones((world.servers, world.services))),
        offloading=Offloading(world=world, association="nearest", shares="equal"),
    )
    key = jax.random.key(0)
    carry = jax.jit(jax.vmap(stream.init_carry))(jax.random.split(key, COPIES))
    carry, rows = jax.jit(lambda c: next_rows(stream, c, ROWS))(carry)
    first = jax.tree.map(lambda leaf: leaf[0], rows)
    envs = init_rollout(key, world, params, policy, first)

    @jax.jit
    def given(envs: RolloutState, rows: Any) -> Any:
        envs, played = unroll(key, world, params, policy, envs, rows, observe_fn=full_information)
        return envs, jnp.mean(played.metrics.latency_s)

    @jax.jit
    def drawn(envs: RolloutState, carry: Any) -> Any:
        carry, rows = next_rows(stream, carry, ROWS)
        envs, played = unroll(key, world, params, policy, envs, rows, observe_fn=full_information)
        return envs, carry, jnp.mean(played.metrics.latency_s)

    share = world.slots_per_epoch / world.period  # the steps that place services are not counted
    slots = COPIES * ROWS * share
    ours = {
        "given": slots * rate(lambda: given(envs, rows)),
        "drawn": slots * rate(lambda: drawn(envs, carry)),
    }
    numbers = {f.name: np.asarray(getattr(params, f.name)) for f in dataclasses.fields(params)}
    switches, law = dataclasses.asdict(world), fixed_law(problem)
    if law is None:
        message = "the loop draws requests of one law, and here it changes or is recorded"
        raise InputError(message, where="bench speed", hint="name caching-es2")
    law = law.astype(np.float64)
    random = np.random.default_rng(0)
    started = time.perf_counter()
    play(numbers, switches, law / law.sum(), PLAIN_SLOTS, random)
    plain = PLAIN_SLOTS / (time.perf_counter() - started)
    return {
        "copies": COPIES,
        "inputs_given_slots_per_s": round(ours["given"]),
        "inputs_drawn_slots_per_s": round(ours["drawn"]),
        "user_by_user_slots_per_s": round(plain),
        "ratio_given": round(ours["given"] / plain, 1),
        "ratio_drawn": round(ours["drawn"] / plain, 1),
    }


def _decision(context: BenchContext) -> dict[str, Any]:
    """Return the median time of one decision of a planner with its first, random, model."""
    problem, plan = context.problem, context.plan(PLANNED)
    world, params = plan.world, problem.params
    spaces = world.observation_space(params), world.action_space(params)
    policy = plan.learner.policy(plan.learner.init(jax.random.key(0), *spaces), explore=False)
    observation = jnp.zeros(spaces[0].shape)
    carry = policy.init_carry(jax.random.key(1))
    act = jax.jit(lambda key, carry: policy.act(key, carry, observation)[0])
    per_s = context.rate(lambda: act(jax.random.key(2), carry))
    return {"learner": PLANNED, "decision_ms": round(1e3 / per_s, 2)}


__all__ = ["measure"]
