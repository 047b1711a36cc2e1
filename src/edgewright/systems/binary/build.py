"""Build the world and the tasks of a checked binary scenario."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.protocols import Process, World
from edgewright.core.records import Array, record, static
from edgewright.loops.meta import first_rows
from edgewright.specs.inputs import composed
from edgewright.streams.compose import Composite
from edgewright.systems.binary import BinaryParams, BinarySampler, BinaryWorld, needs
from edgewright.systems.binary.schema import OF_DEVICES, BinaryScenario
from edgewright.systems.system import Problem

MEASURE_SLOTS = 200
"""Slots of each training scenario whose gains the features are standardised with."""

TRAIN_SEED = 7_000_001
"""Training scenarios are drawn from this seed, those of an evaluation from ``evaluation.seed``."""


@record
class Scenarios:
    """Tasks and what drives them; a :class:`edgewright.loops.meta.Tasks`.

    Attributes:
        params: leaves ``[count, ...]``.
        recorded: inputs that are played back in every scenario instead of drawn.
    """

    params: BinaryParams
    recorded: dict[str, Process]
    world: BinaryWorld = static()

    @property
    def count(self) -> int:
        """Number of scenarios."""
        return self.params.horizon_slots.shape[0]

    def one(self, index: int) -> BinaryParams:
        """Return the numbers of one scenario."""
        return jax.tree.map(lambda leaf: leaf[index], self.params)

    def stream(self, params: BinaryParams) -> Composite:
        """Return what arrives from outside in one scenario."""
        return self.world.inputs(params).replace(**self.recorded)


@record
class Hidden:
    """The tasks of a build, to train in and to be evaluated in. No task is in both."""

    train: Scenarios
    test: Scenarios

    def only(self, index: int, count: int | None = None) -> Hidden:
        """Return copies of one scenario of the evaluation in both parts.

        Args:
            count: how many to be evaluated in; as many as there are scenarios if None.

        Raises:
            InputError: the evaluation has fewer tasks.
        """
        if not 0 <= index < self.test.count:
            message = f"the task must be from 0 to {self.test.count - 1}; got {index}"
            hint = "tasks are numbered from 0"
            raise InputError(message, where="evaluation.episodes", hint=hint)
        params = self.test.one(index)

        def copies(part: Scenarios, many: int) -> Scenarios:
            same = jax.tree.map(lambda x: jnp.broadcast_to(x, (many, *x.shape)), params)
            return dataclasses.replace(part, params=same)

        train = copies(self.train, self.train.count)
        return Hidden(train=train, test=copies(self.test, count or self.test.count))


def build(scenario: BinaryScenario, data: str | None) -> Problem:
    """Return the world and the scenarios that were drawn for training and for evaluation."""
    structure = dataclasses.asdict(scenario.world)
    structure.pop("kind")
    world = BinaryWorld(**structure)
    law, fixed = sampler(scenario), _fixed(scenario)
    plan = scenario.evaluation
    drawn = [
        _draw(law, jax.random.key(seed), count, fixed)
        for seed, count in (
            (TRAIN_SEED, scenario.params.train_scenarios),
            (plan.seed, plan.episodes),
        )
    ]
    recorded = [_recorded(scenario, world, drawn[0], data, part) for part in ("train", "test")]
    train = Scenarios(params=drawn[0], recorded=recorded[0], world=world)
    mean, std = _measure(train)
    scaled = [
        dataclasses.replace(
            one,
            gain_log10_mean=jnp.full_like(one.gain_log10_mean, mean),
            gain_log10_std=jnp.full_like(one.gain_log10_std, std),
        )
        for one in drawn
    ]
    tasks = Hidden(
        train=Scenarios(params=scaled[0], recorded=recorded[0], world=world),
        test=Scenarios(params=scaled[1], recorded=recorded[1], world=world),
    )
    first = tasks.test.one(0)
    return Problem(
        kind="binary",
        world=world,
        horizon=scenario.params.horizon_slots,
        params=first,
        train_stream=tasks.train.stream(tasks.train.one(0)),
        test_stream=tasks.test.stream(first),
        tasks=tasks,
    )


def sampler(scenario: BinaryScenario) -> BinarySampler:
    """Return the law of the scenarios as a record of arrays."""
    numbers = dataclasses.asdict(scenario.params)
    for name in ("train_scenarios", *(f"device_{one}" for one in OF_DEVICES)):
        del numbers[name]
    for name in ("bandwidth_mhz", "edge_ghz"):
        numbers[name] = numbers[name] if isinstance(numbers[name], list) else [numbers[name]]
    numbers["kappa"] = numbers["kappa"] or 0.0
    devices = scenario.world.devices
    fewest = numbers.pop("fewest_devices") or devices
    arrays = {name: jnp.asarray(value, jnp.float32) for name, value in numbers.items()}
    return BinarySampler(
        devices=devices,
        fewest_devices=fewest,
        gain_log10_mean=jnp.zeros(()),
        gain_log10_std=jnp.ones(()),
        **arrays,
    )


@jax.jit
def _drawn(law: BinarySampler, keys: Array) -> BinaryParams:
    return jax.vmap(law.draw)(keys)


def _fixed(scenario: BinaryScenario) -> dict[str, list[float]]:
    """Return the numbers of each device that the scenario fixes, by the name of their field."""
    fields = {"weights": "weight"}
    values = {fields.get(one, one): getattr(scenario.params, f"device_{one}") for one in OF_DEVICES}
    return {name: value for name, value in values.items() if value is not None}


def _draw(
    law: BinarySampler, key: Array, count: int, fixed: dict[str, list[float]]
) -> BinaryParams:
    params = _drawn(law, jax.random.split(key, count))
    own: dict[str, Array] = {
        name: jnp.broadcast_to(jnp.asarray(value, jnp.float32), getattr(params, name).shape)
        for name, value in fixed.items()
    }
    if "input_mbit" in own:
        own["output_mbit"] = law.output_share * own["input_mbit"]
    return dataclasses.replace(params, **own)


def _recorded(
    scenario: BinaryScenario, world: BinaryWorld, params: BinaryParams, data: str | None, part: Any
) -> dict[str, Process]:
    """Return the inputs that are not the world's own synthetic ones."""
    if scenario.streams.gain.kind == "fading":
        return {}
    first = jax.tree.map(lambda leaf: leaf[0], params)
    stream = composed(scenario, world.inputs(first), first, data, part)
    return {"gain": stream.fields["gain"]}


@jax.jit
def _gains(tasks: Scenarios) -> Array:
    keys = jax.random.split(jax.random.key(TRAIN_SEED + 1), tasks.count)
    rows = jax.vmap(lambda p, k: first_rows(tasks.stream(p), k, MEASURE_SLOTS))(tasks.params, keys)
    return rows.gain


def _measure(train: Scenarios) -> tuple[float, float]:
    """Return mean and deviation of the decades of the gains in the training scenarios.

    Raises:
        InputError: gains, or the delays that come with them, are beyond the numbers of float32.
    """
    gains = _gains(train)
    there = np.broadcast_to(np.asarray(train.params.present)[:, None, :] > 0, gains.shape)
    slots = jax.vmap(lambda params, rows: jax.vmap(lambda gain: needs(params, gain))(rows))
    costs = jax.tree.leaves(slots(train.params, gains))
    held = np.asarray(gains, float)[there]
    if not (np.all(np.isfinite(held) & (held > 0)) and all(map(np.all, map(np.isfinite, costs)))):
        message = f"the channel's gains go from {held.min():.3g} to {held.max():.3g}, and they or "
        message += "the delays that they give are 0 or infinite in 32 bits"
        hint = "bring params.radius_m, shadowing_db, transmit_dbm and noise_dbm_hz nearer to usual"
        raise InputError(message, where="params", hint=hint)
    return float(np.log10(held).mean()), float(np.log10(held).std())


def game(trained: World, problem: Problem) -> BinaryWorld:
    """Return the world a run plays in: the scenario's, with the features it was trained with.

    Raises:
        InputError: the sizes differ.
    """
    assert isinstance(trained, BinaryWorld)
    world: BinaryWorld = problem.world
    if (trained.devices, trained.masked) != (world.devices, world.masked):
        message = (
            f"the run was trained with {trained.devices} devices, masked = {trained.masked}; the "
            f"scenario has {world.devices}, {world.masked}"
        )
        raise InputError(message, hint="evaluate it on a scenario of the same sizes")
    return dataclasses.replace(world, obs=trained.obs)
