"""Measure speed on this machine, as figures and ratios of one run. Nothing here is remembered."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.machine import cores, machine_facts
from edgewright.core.records import Decision, Memoryless, record, static
from edgewright.loops.online import advance, init_training
from edgewright.loops.repeat import compile_rounds
from edgewright.loops.unroll import RolloutState, init_rollout, next_rows, unroll
from edgewright.scenarios.build import LearnerPlan, Problem, build, build_learner
from edgewright.scenarios.load import load
from edgewright.specs.schema import Scenario
from edgewright.systems.registry import system_of, systems
from edgewright.systems.system import BenchContext
from edgewright.training.runs import threads
from edgewright.training.seed import CHUNK

COPIES, ROWS = 1024, 128
"""Copies of the world and steps of each when the world is measured alone."""

_PROBE = """
import json, sys, time
from edgewright.core.compilation import keep_compilations
keep_compilations()
from edgewright.bench.training import compile_training
print(json.dumps(compile_training(sys.argv[1])))
"""


@record
class Fixed(Memoryless):
    """A policy with always the same action, so that a measurement shows the world alone."""

    action: int = static()

    def act(self, key: Any, carry: tuple[()], observation: Any) -> tuple[tuple[()], Decision]:
        """Return the action for every agent."""
        shape = observation.shape[:-1]
        return carry, Decision(action=jnp.full(shape, self.action, jnp.int32), aux=())


def bench(
    scenario: str, on_progress: Callable[[str], None], peer: str | None = None
) -> dict[str, Any]:
    """Measure what matters to the scenario's system; return figures with units in their names.

    That is what the system's own ``benchmark`` measures; where it has none, compiling, the world
    alone, and training.

    Args:
        peer: a program that measures the same sizes with another library, for systems that have a
            benchmark of their own.

    Raises:
        InputError: a peer is named where there is nothing to measure beside it.
    """
    chosen = load(scenario)
    problem = build(chosen)
    benchmark = system_of(problem.kind).benchmark
    if peer and benchmark is None:
        message = f"'{scenario}' is not measured beside another library"
        own = sorted(kind for kind, system in systems().items() if system.benchmark)
        hint = f"leave it out, or name a scenario of the kind {' or '.join(own)}"
        raise InputError(message, where="--reference-script", hint=hint)
    result: dict[str, Any] = {
        "scenario": scenario,
        "machine": machine_facts(),
    }
    if benchmark is not None:
        plan = functools.partial(_plan, chosen, problem)
        context = BenchContext(chosen, problem, plan, _rate, on_progress, peer)
        return {**result, **benchmark(context)}
    on_progress("compile, cold and from the cache")
    result["compile"] = measure_compile(scenario)
    on_progress("world alone")
    result["world"] = measure_world(problem)
    on_progress("training")
    result["training"] = measure_training(scenario)
    return result


def _plan(chosen: Scenario, problem: Problem, learner: str) -> LearnerPlan:
    """Return a learner with the budget of a scenario."""
    return build_learner(learner, chosen, problem, chosen.training.steps)


def compile_training(scenario: str) -> dict[str, float]:
    """Return the seconds to have a training of the scenario's learner ready to run."""
    chosen = load(scenario)
    problem = build(chosen)
    plan = _plan(chosen, problem, chosen.training.learner)
    arguments = (plan.params_of(problem), problem.train_stream, plan.learner)
    started = time.perf_counter()
    training = init_training(jax.random.key(0), plan.train_world, *arguments)
    lowered = advance.lower(plan.train_world, *arguments, training, jnp.int32(1), CHUNK)
    traced = time.perf_counter()
    lowered.compile()
    ended = time.perf_counter()
    return {"total_s": round(ended - started, 3), "compile_s": round(ended - traced, 3)}


def measure_compile(scenario: str) -> dict[str, Any]:
    """Compile in a new process with an empty cache, and in another one with what it left."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [_probe(scenario, folder) for _ in range(2)]
    return {"cold": runs[0], "cached": runs[1]}


def _probe(scenario: str, folder: str) -> dict[str, float]:
    environment = {**os.environ, "EDGEWRIGHT_CACHE": folder}
    command = [sys.executable, "-c", _PROBE, scenario]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure_world(problem: Problem) -> dict[str, Any]:
    """Return steps per second of the world: with inputs given, with inputs drawn, and stepped.

    ``stepped`` calls a compiled step from Python once for each step of one copy, as a Gymnasium
    loop does; the ratios are to that.
    """
    world, params, stream = problem.world, problem.params, problem.train_stream
    space = world.action_space(params)
    policy = Fixed(action=space.n - 1)
    key = jax.random.key(0)
    carry = jax.jit(jax.vmap(stream.init_carry))(jax.random.split(key, COPIES))
    carry, rows = jax.jit(lambda c: next_rows(stream, c, ROWS))(carry)
    games = init_rollout(key, world, params, policy, jax.tree.map(lambda leaf: leaf[0], rows))

    @jax.jit
    def given(games: RolloutState, rows: Any) -> Any:
        games, trajectory = unroll(key, world, params, policy, games, rows)
        return games, jnp.mean(trajectory.reward)

    @jax.jit
    def drawn(games: RolloutState, carry: Any) -> Any:
        carry, rows = next_rows(stream, carry, ROWS)
        games, trajectory = unroll(key, world, params, policy, games, rows)
        return games, carry, jnp.mean(trajectory.reward)

    step = jax.jit(functools.partial(world.step, params))
    row = jax.tree.map(lambda leaf: leaf[0, 0], rows)
    state = world.reset(params, row)
    action = jnp.zeros(space.shape, jnp.int32)
    steps = COPIES * ROWS
    rates = {
        "given": steps * _rate(lambda: given(games, rows)),
        "drawn": steps * _rate(lambda: drawn(games, carry)),
        "stepped": _rate(lambda: step(state, action, row)),
    }
    return {
        "copies": COPIES,
        "inputs_given_steps_per_s": round(rates["given"]),
        "inputs_drawn_steps_per_s": round(rates["drawn"]),
        "stepped_from_python_steps_per_s": round(rates["stepped"]),
        "ratio_given_to_stepped": round(rates["given"] / rates["stepped"], 1),
        "ratio_drawn_to_stepped": round(rates["drawn"] / rates["stepped"], 1),
    }


def measure_training(scenario: str) -> dict[str, Any]:
    """Return steps per second of the scenario's learner, for one seed and for one seed a core.

    ``world_share`` is the time of drawing inputs and playing (no learning) over the time of both.
    """
    chosen = load(scenario)
    problem = build(chosen)
    plan = _plan(chosen, problem, chosen.training.learner)
    learner, world = plan.learner, plan.train_world
    arguments = (plan.params_of(problem), problem.train_stream, learner)
    start = [init_training(jax.random.key(seed), world, *arguments) for seed in range(cores())]
    go = compile_rounds(advance, world, arguments, start[0], CHUNK)

    @jax.jit
    def playing(training: Any) -> Any:
        def once(_: Any, carry: Any) -> Any:
            games, stream = carry
            stream, rows = next_rows(problem.train_stream, stream, learner.rollout_steps)
            policy = learner.policy(training.learner, explore=True)
            games, _ = unroll(training.key, world, arguments[0], policy, games, rows)
            return games, stream

        return jax.lax.fori_loop(0, CHUNK, once, (training.envs, training.stream))

    steps = CHUNK * learner.num_envs * learner.rollout_steps
    one = _rate(lambda: go(start[0], jnp.int32(CHUNK)), least_s=3.0)
    play = _rate(lambda: playing(start[0]))

    def together() -> Any:
        with threads(len(start)) as pool:
            return list(pool.map(lambda one: _ready(go(one, jnp.int32(CHUNK))), start))

    many = len(start) * _rate(together, least_s=3.0)
    return {
        "learner": plan.name,
        "num_envs": learner.num_envs,
        "rollout_steps": learner.rollout_steps,
        "epochs": getattr(learner, "epochs", None),
        "batch_size": getattr(learner, "batch_size", None),
        "one_seed_steps_per_s": round(steps * one),
        "seconds_per_million_steps": round(1e6 / (steps * one), 1),
        "world_share": round(one / play, 3),
        "seeds_together": len(start),
        "seeds_together_steps_per_s": round(steps * many),
        "ratio_together_to_one": round(many / one, 2),
    }


def _ready(value: Any) -> Any:
    return jax.block_until_ready(value)


def _rate(call: Callable[[], Any], least_s: float = 1.0) -> float:
    """Return calls per second: the median of at least 5 timed batches, after one to warm up."""
    _ready(call())
    began = time.perf_counter()
    _ready(call())
    count = max(1, int(least_s / 5 / max(time.perf_counter() - began, 1e-7)))
    rates = []
    for _ in range(5):
        began = time.perf_counter()
        _ready([call() for _ in range(count)][-1])
        rates.append(count / (time.perf_counter() - began))
    return float(np.median(rates))
