"""Play logged slots of a binary task again, and fine-tune a network on them.

Fine-tuning is what MRL does in a new task: a device begins with its initialisation, labels its own
slots with the best of its proposals, and takes gradient steps (:mod:`edgewright.loops.adapt`). Here
the slots are those of the log, and the task's numbers those that were fitted to it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.loops import adapt
from edgewright.loops.initialisation import adaptation_key
from edgewright.serve.log_table import LogTable
from edgewright.streams.channel import RecordedRows
from edgewright.streams.compose import Composite
from edgewright.systems.binary import delay
from edgewright.systems.binary.logged import logged_slots, shown
from edgewright.systems.binary.records import BinaryInputs
from edgewright.systems.problem import Problem
from edgewright.systems.replay import LoggedInputs, Replay


def inputs(problem: Problem, table: LogTable) -> LoggedInputs:
    """Return the gains of the logged slots; every slot is an episode of its own."""
    slots = logged_slots(table, problem.world.devices)
    index = np.flatnonzero(slots.known)
    return LoggedInputs(BinaryInputs(gain=jnp.asarray(slots.gain[index], jnp.float32)), index, 1)


def reward(problem: Problem, table: LogTable) -> np.ndarray:
    """Return minus the mean weighted delay ``[n]`` of the logged actions, by the physics."""
    slots, world = logged_slots(table, problem.world.devices), problem.world
    result = np.full(len(table), np.nan)
    index = np.flatnonzero(slots.known)
    if index.size:
        gain = jnp.asarray(slots.gain[index], jnp.float32)
        bits = jnp.asarray(slots.offloaded[index], jnp.int32)
        result[index] = -np.asarray(_total_s(world, problem.params, gain, bits)) / world.devices
    return result


@functools.partial(jax.jit, static_argnames="world")
def _total_s(world: Any, params: Any, gain: Any, bits: Any) -> Any:
    def one(gain: Any, bits: Any) -> Any:
        need = delay.needs(params, gain)
        return delay.total_s(world.objective, delay.load(need, bits))

    return jax.vmap(one)(gain, bits)


def tune(run: Any, origin: Mapping[str, Any], problem: Problem, rows: Any, steps: int) -> Any:
    """Return the policy that comes of gradient steps on logged slots, from a run's network.

    Args:
        run: with an initialisation for all tasks, or a network for each.
        origin: the provenance of the bundle: ``seed``, and ``task`` where each has its own network.
        problem: the task that was fitted to the log.
        rows: the logged inputs, leaves ``[n, ...]``.
        steps: gradient steps, each after ``rollout_steps`` more slots of the log.

    Raises:
        InputError: the learner never adapts.
    """
    seed = int(origin.get("seed", 0))
    start, world = run.trainer.policy_entry(run.trainings[seed])
    learner = start.learner
    if learner.adapt == "none":
        message = f"'{run.request.learner}' is never adapted, so a log does not change it"
        hint = "train an initialisation: edgewright train binary-hard --learner maml"
        raise InputError(message, where="learner.adapt", hint=hint)
    network = start.policy(int(origin.get("task", 0))).network
    scaled = run.problem.params  # the network keeps the scale of the gains that it was trained with
    params = dataclasses.replace(
        problem.params,
        gain_log10_mean=scaled.gain_log10_mean,
        gain_log10_std=scaled.gain_log10_std,
    )
    gains = RecordedRows(values=rows.gain, shape=(world.devices,))
    stream = Composite(into=BinaryInputs, fields={"gain": gains})
    tuned = _tuned(adaptation_key(seed), world, params, stream, learner, network, steps)
    return learner.proposer(tuned)


@functools.partial(jax.jit, static_argnames=("world", "steps"))
def _tuned(
    key: Any, world: Any, params: Any, stream: Any, learner: Any, network: Any, steps: int
) -> Any:
    """Return the network after gradient steps on the slots of a stream. Consumes ``key``."""
    space = world.observation_space(params)
    device = adapt.init_device(key, stream, learner.start_from(network, space))

    def step(_: Any, device: adapt.DeviceState) -> adapt.DeviceState:
        device = adapt.observe(world, params, stream, learner, device, learner.rollout_steps)
        return adapt.learn(world, params, learner, device)[0]

    return jax.lax.fori_loop(0, steps, step, device).learner.network


def report(metrics: Any) -> dict[str, float]:
    """Return ``delay_<n>_s`` of each device in a slot, and ``device_energy_<n>_j`` where known."""
    delays, energies = np.asarray(metrics.delay_s), np.asarray(metrics.device_energy_j)
    report = {f"delay_{n}_s": float(value) for n, value in enumerate(delays, 1)}
    known = {n: float(value) for n, value in enumerate(energies, 1) if value > 0}
    return report | {f"device_energy_{n}_j": value for n, value in known.items()}


REPLAY = Replay(
    inputs=inputs, reward=reward, report=report, tune=tune, independent=True, shown=shown
)

__all__ = ["REPLAY"]
