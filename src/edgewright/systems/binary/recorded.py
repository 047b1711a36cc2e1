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
from edgewright.specs.recordings import gain_reading
from edgewright.streams.channel import part_of, recorded_gains
from edgewright.streams.compose import Composite
from edgewright.streams.gains import GainReading, Gains, load_gains
from edgewright.systems.binary import BinaryInputs
from edgewright.systems.binary.droo_world import PoweredParams, PoweredWorld
from edgewright.systems.binary.schema import BinaryScenario

STEPS = (0, 100, 300, 1000)
"""Gradient steps, of ten recorded slots each, after which the learner is scored."""

EXAM_SLOTS = 1000
CHECKED_SLOTS = 200

MAX_PRICE_ERROR = 1e-3
"""Relative distance of our cost of the recorded optimum to its own, beyond which it is the optimum
of another problem; on DROO's files it is below 1e-4."""


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
        result = cross_check(file, scenario.world.devices, gain_reading(spec, "gain"))
    except InputError as error:
        return {"cross_check": None, "why_no_cross_check": error.message}
    return {"cross_check": result}


def cross_check(
    file: Path, devices: int, reading: GainReading | None = None, quantiser: Any = "order"
) -> dict[str, Any]:
    """Train DROO from nothing on the first 80 % of a recording and score it on the rest.

    Returns:
        ``verdict``: whether the recorded optimum is that of DROO's problem, ``"agrees"`` or
        ``"disagrees"``, from how far our own cost of it is from the recorded one. Where it agrees,
        the ratio of the learner's rate to it after some steps, with greedy rounding and with
        search; else no ratio, for there is nothing to compare with.

    Raises:
        InputError: the recording states no optimum, or has another number of devices.
    """
    gains = load_gains(file, reading)
    if gains.rate is None or gains.mode is None:
        message = "the recording states no optimum ('output_mode', 'output_obj')"
        raise InputError(message, where=str(file), hint="it can drive a scenario all the same")
    count = gains.gain.shape[1]
    if count != devices:
        message = f"its optimum is that of {count} devices, not of {devices}"
        raise InputError(message, where=str(file), hint=f"set world.devices = {count}")
    world = PoweredWorld(devices=devices)
    params = _params(gains)
    rows, rate, mode = (
        jnp.asarray(part_of(value, "test")[:EXAM_SLOTS], jnp.float32)
        for value in (gains.gain, gains.rate, gains.mode)
    )
    facts: dict[str, Any] = {
        "problem": "wirelessly powered devices, weighted computation rate (DROO's objective)",
        "devices": devices,
        "weights": "of the recording" if gains.weights is not None else "1 and 1.5 in turn (DROO)",
        "held_out_slots": int(rate.shape[0]),
        "price_error": _price_error(world, params, rows, mode, rate),
        "max_price_error": MAX_PRICE_ERROR,
    }
    if not facts["price_error"] <= MAX_PRICE_ERROR:
        return facts | {
            "verdict": "disagrees",
            "why": "our cost of the recorded actions is not the recorded value: the file holds the "
            "optimum of another problem, e.g. of other weights; nothing is scored against it",
            "scores": [],
        }
    tasks = OneTask(
        params=jax.tree.map(lambda leaf: leaf[None], params),
        gain=recorded_gains(file, devices=devices, reading=reading),
        world=world,
    )
    held_out = adapt.HeldOutSet(rows=BinaryInputs(gain=rows[None]), optimum=-rate[None] / 1e6)
    scores = _scores(world, tasks, held_out, Droo(num_candidates=devices, quantiser=quantiser))
    return facts | {
        "verdict": "agrees",
        "optimum": "recorded, by enumeration",
        "scores": scores,
    }


def _params(gains: Gains) -> PoweredParams:
    """Return the numbers of DROO's problem for the gains of a file."""
    decades = np.log10(part_of(gains.gain, "train"))
    in_turn = np.where(np.arange(gains.gain.shape[1]) % 2 == 1, 1.5, 1.0)
    weight = in_turn if gains.weights is None else gains.weights
    return PoweredParams(
        weight=jnp.asarray(weight, jnp.float32),
        mean_gain=jnp.asarray(gains.gain.mean(0), jnp.float32),
        gain_log10_mean=jnp.float32(decades.mean()),
        gain_log10_std=jnp.float32(decades.std()),
        horizon_slots=jnp.float32(EXAM_SLOTS),
    )


def _scores(
    world: PoweredWorld, tasks: OneTask, held_out: adapt.HeldOutSet, learner: Droo
) -> list[dict[str, Any]]:
    """Return the learner's ratios to the recorded optimum after each of :data:`STEPS`."""
    device = adapt.init_devices(jax.random.key(0), world, tasks, learner)
    gaps = jnp.asarray(np.diff(STEPS), jnp.int32)
    scores = adapt.adapt_all(
        jax.random.key(1), world, tasks, learner, device.learner.network, gaps, held_out
    )
    return [
        {
            "steps": step,
            "slots": step * learner.rollout_steps,
            "q_hat": float(scores.q_hat[0, index, 1]),
            "q_hat_rounded": float(scores.q_hat[0, index, 0]),
            "optimal_fraction": float(scores.optimal_fraction[0, index, 1]),
        }
        for index, step in enumerate(STEPS)
    ]


def _price_error(
    world: PoweredWorld, params: PoweredParams, rows: Any, mode: Any, rate: Any
) -> float:
    """Return the largest relative distance of our cost of the recorded optimum to its own."""

    def price(gain: Any, action: Any) -> Any:
        x = BinaryInputs(gain=gain)
        return jnp.sum(world.step(params, world.reset(params, x), action, x).reward)

    ours = jax.jit(jax.vmap(price))(rows[:CHECKED_SLOTS], mode[:CHECKED_SLOTS])
    return float(jnp.max(jnp.abs(ours * 1e6 / rate[:CHECKED_SLOTS] - 1)))
