"""Cross-check on recorded channels by scoring DROO's own problem with its published optimum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.droo import Droo
from edgewright.core.errors import InputError
from edgewright.core.protocols import Process
from edgewright.core.records import record, static
from edgewright.loops import adapt
from edgewright.specs.inputs import Context
from edgewright.specs.processes import RecordedGainsSpec
from edgewright.streams.channel import load_gains, part_of, recorded_gains
from edgewright.streams.compose import Composite
from edgewright.systems.binary import BinaryInputs
from edgewright.systems.binary.droo_world import PoweredParams, PoweredWorld
from edgewright.systems.binary.schema import BinaryScenario

STEPS = (0, 100, 300, 1000)
"""Gradient steps, of ten recorded slots each, after which the learner is scored."""

EXAM_SLOTS = 1000
CHECKED_SLOTS = 200


@record
class OneTask:
    """One scenario that is played back; a :class:`edgewright.loops.meta.Tasks`."""

    params: PoweredParams
    gain: Process
    world: PoweredWorld = static()

    def stream(self, params: PoweredParams) -> Composite:
        """Return the recording."""
        return self.world.inputs(params).replace(gain=self.gain)


def extra_results(scenario: BinaryScenario, data: str | None) -> dict[str, Any]:
    """Return the cross-check of a scenario that plays gains back; nothing for others."""
    spec = scenario.streams.gain
    if not isinstance(spec, RecordedGainsSpec):
        return {}
    file = Context(scenario, None, (), data, "train").file(spec.file)
    try:
        return {"cross_check": cross_check(file, scenario.world.devices)}
    except InputError as error:
        return {"cross_check": None, "why_no_cross_check": error.message}


def cross_check(file: Path, devices: int, quantiser: Any = "order") -> dict[str, Any]:
    """Train DROO from nothing on the first 80 % of a recording and score it on the rest.

    Returns:
        the ratio of its rate to the recorded optimum's after some steps, with greedy rounding
        and with search, and how far our own cost of the recorded optimum is from the recorded one.

    Raises:
        InputError: the recording states no optimum, or has another number of devices.
    """
    result = load_gains(file)
    if "rate" not in result or "mode" not in result:
        message = "the recording states no optimum ('output_mode', 'output_obj')"
        raise InputError(message, where=str(file), hint="it can drive a scenario all the same")
    count = result["gain"].shape[1]
    if count != devices:
        message = f"its optimum is that of {count} devices, not of {devices}"
        raise InputError(message, where=str(file), hint=f"use world.devices = {count}")
    world = PoweredWorld(devices=devices)
    decades = np.log10(part_of(result["gain"], "train"))
    params = PoweredParams(
        weight=jnp.where(jnp.arange(devices) % 2 == 1, 1.5, 1.0),
        mean_gain=jnp.asarray(result["gain"].mean(0), jnp.float32),
        gain_log10_mean=jnp.float32(decades.mean()),
        gain_log10_std=jnp.float32(decades.std()),
        horizon_slots=jnp.float32(EXAM_SLOTS),
    )
    rows, rate, mode = (
        jnp.asarray(part_of(result[name], "test")[:EXAM_SLOTS], jnp.float32)
        for name in ("gain", "rate", "mode")
    )
    tasks = OneTask(
        params=jax.tree.map(lambda leaf: leaf[None], params),
        gain=recorded_gains(file, devices=devices),
        world=world,
    )
    held_out = adapt.HeldOutSet(rows=BinaryInputs(gain=rows[None]), optimum=-rate[None] / 1e6)
    learner = Droo(num_candidates=devices, quantiser=quantiser)
    device = adapt.init_devices(jax.random.key(0), world, tasks, learner)
    gaps = jnp.asarray(np.diff(STEPS), jnp.int32)
    scores = adapt.adapt_all(
        jax.random.key(1), world, tasks, learner, device.learner.network, gaps, held_out
    )
    return {
        "problem": "wirelessly powered devices, weighted computation rate (DROO's objective)",
        "optimum": "recorded, by enumeration",
        "devices": devices,
        "held_out_slots": int(rate.shape[0]),
        "price_error": _price_error(world, params, rows, mode, rate),
        "scores": [
            {
                "steps": step,
                "slots": step * learner.rollout_steps,
                "q_hat": float(scores.q_hat[0, index, 1]),
                "q_hat_rounded": float(scores.q_hat[0, index, 0]),
                "optimal_fraction": float(scores.optimal_fraction[0, index, 1]),
            }
            for index, step in enumerate(STEPS)
        ],
    }


def _price_error(
    world: PoweredWorld, params: PoweredParams, rows: Any, mode: Any, rate: Any
) -> float:
    """Return the largest relative distance of our cost of the recorded optimum to its own."""

    def price(gain: Any, action: Any) -> Any:
        x = BinaryInputs(gain=gain)
        return jnp.sum(world.step(params, world.reset(params, x), action, x).reward)

    ours = jax.jit(jax.vmap(price))(rows[:CHECKED_SLOTS], mode[:CHECKED_SLOTS])
    return float(jnp.max(jnp.abs(ours * 1e6 / rate[:CHECKED_SLOTS] - 1)))
