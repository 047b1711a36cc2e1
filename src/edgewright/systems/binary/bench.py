"""Measure the speed of meta-learned offloading here and now, beside another library's if asked."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.core.machine import cores
from edgewright.loops import adapt, meta
from edgewright.loops.meta import first_rows
from edgewright.systems.binary import BinaryWorld, Needs, needs
from edgewright.systems.binary.baselines import enumerate_actions
from edgewright.systems.binary.build import sampler
from edgewright.systems.problem import Problem
from edgewright.systems.system import BenchContext

DEVICES, STEPS = 1000, 20
"""Tasks adapted in parallel in one call, and gradient steps of each."""

ENUMERATED = 15
"""Devices of the enumeration that is timed: 2^15 actions in each of 1000 slots."""


def measure(context: BenchContext) -> dict[str, Any]:
    """Return rounds and gradient steps per second, enumeration time, and ratios to a peer.

    The reference script is e.g. ``benchmarks/mrl_torch.py``.

    Raises:
        InputError: the reference script does not exist, fails or prints something else.
    """
    problem, rate, peer = context.problem, context.rate, context.reference_script
    if peer and not Path(peer).is_file():
        hint = "e.g. benchmarks/mrl_torch.py of the source tree"
        raise InputError("the file must exist", where=f"--reference-script {peer}", hint=hint)
    context.on_progress("meta-training")
    plan = context.plan("maml")
    result: dict[str, Any] = {"meta_training": _meta(problem, plan, rate)}
    context.on_progress("fine-tuning")
    result["fine_tuning"] = _tuning(problem, plan.learner, rate)
    context.on_progress("enumeration")
    result["enumeration"] = _enumeration(context.scenario, rate)
    if peer:
        context.on_progress(Path(peer).name)
        result["peer"] = _peer(peer, problem, plan.learner, result)
    return result


def _meta(problem: Problem, plan: Any, rate: Callable[..., float]) -> dict[str, Any]:
    learner, chunk = plan.learner, 50
    training = meta.init_training(jax.random.key(0), problem.world, problem.tasks.train, learner)
    given = (problem.world, problem.tasks.train, learner, None, training, jnp.int32(chunk), chunk)
    per_s = chunk * rate(lambda: meta.advance(*given), least_s=3.0)
    return {
        "rounds_per_s": round(per_s, 1),
        "tasks_per_round": learner.tasks,
        "slots_per_task": learner.slots,
        "traffic_bytes_per_round": learner.traffic_bytes(training.server.initial),
    }


def _tuning(problem: Problem, learner: Any, rate: Callable[..., float]) -> dict[str, Any]:
    tasks, world, base = problem.tasks.test, problem.world, learner.base
    many = jax.tree.map(lambda leaf: jnp.resize(leaf, (DEVICES, *leaf.shape[1:])), tasks.params)
    tasks = tasks.__class__(params=many, recorded=tasks.recorded, world=tasks.world)
    devices = adapt.init_devices(jax.random.key(0), world, tasks, base)
    given = (world, tasks, base, devices, jnp.int32(STEPS), STEPS)
    per_s = DEVICES * STEPS * rate(lambda: adapt.train_devices(*given), least_s=3.0)
    return {"devices": DEVICES, "steps_of_each": STEPS, "steps_per_s": round(per_s)}


def _enumeration(chosen: Any, rate: Callable[..., float]) -> dict[str, Any]:
    law = sampler(chosen)
    law = law.__class__(**{**vars(law), "devices": ENUMERATED, "fewest_devices": ENUMERATED})
    world, slots = BinaryWorld(devices=ENUMERATED), chosen.params.horizon_slots

    @jax.jit
    def slots_of(key: Any) -> Needs:
        params = law.draw(key)
        rows = first_rows(world.inputs(params), key, slots)
        return jax.vmap(functools.partial(needs, params))(rows.gain)

    need = slots_of(jax.random.key(0))
    seconds = 1 / rate(lambda: enumerate_actions("coupled", need))
    return {"actions": 2**ENUMERATED, "slots": slots, "seconds": round(seconds, 3)}


def _peer(peer: str, problem: Problem, learner: Any, result: dict[str, Any]) -> dict[str, Any]:
    base, devices = learner.base, problem.world.devices
    sizes = {
        "devices": devices,
        "layers": [devices, *base.hidden_sizes, devices],
        "tasks": learner.tasks,
        "support": learner.support,
        "query": learner.query,
        "num_candidates": base.num_candidates,
        "rollout_steps": base.rollout_steps,
        "buffer_size": base.buffer_size,
        "batch_size": base.batch_size,
        "threads": cores(),
        "gain_log10_mean": float(problem.params.gain_log10_mean),
        "gain_log10_std": float(problem.params.gain_log10_std),
    }
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, peer, json.dumps(sizes)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = f"it failed: {done.stderr.strip().splitlines()[-1:] or 'no message'}"
        raise InputError(
            message, where=f"--reference-script {peer}", hint="is its library installed?"
        )
    try:
        reference = json.loads(done.stdout)
        rounds = result["meta_training"]["rounds_per_s"] / reference["meta_rounds_per_s"]
        steps = result["fine_tuning"]["steps_per_s"] / reference["fine_tuning_steps_per_s"]
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        message = f"what it printed is not what is asked for ({type(error).__name__}: {error})"
        hint = "print one JSON object with meta_rounds_per_s and fine_tuning_steps_per_s"
        raise InputError(message, where=f"--reference-script {peer}", hint=hint) from None
    return {
        **reference,
        "seconds": round(time.perf_counter() - begun, 1),
        "ratio_meta_training": round(rounds, 1),
        "ratio_fine_tuning": round(steps, 1),
    }
