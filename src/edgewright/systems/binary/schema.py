"""Define the tables of a binary scenario, with sizes, switches, tasks and channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from edgewright.specs.processes import ProcessSpec
from edgewright.specs.schema import (
    Count,
    Inconsistency,
    NonNegative,
    Positive,
    Positives,
    Real,
    Scenario,
    Share,
)
from edgewright.systems.binary.baselines import MAX_DEVICES

OF_DEVICES = {
    "weights": "weights",
    "input_mbit": "input_mbit",
    "cycles_per_bit": "cycles_per_bit",
    "distance_m": "radius_m",
}
"""Numbers that a scenario may fix for each device, and the law that draws them otherwise."""

Range: TypeAlias = Annotated[list[Positive], Field(min_length=2, max_length=2)]


@dataclass(frozen=True, kw_only=True)
class BinaryStreams:
    """The inputs of the binary world."""

    gain: ProcessSpec


@dataclass(frozen=True, kw_only=True)
class BinaryStructure:
    """Sizes and switches of the binary world; see ``edgewright.systems.binary.BinaryWorld``."""

    kind: Literal["binary"]
    devices: Count
    objective: Literal["coupled", "separable", "equal_share"]
    obs: Literal["gain", "scenario"]
    masked: bool


@dataclass(frozen=True, kw_only=True)
class BinaryNumbers:
    """The distribution of tasks, and how many tasks are drawn to train in.

    ``device_weights``, ``device_input_mbit``, ``device_cycles_per_bit`` and ``device_distance_m``
    hold one value for each device; they replace what would be drawn, in every task. ``kappa`` is
    needed for energies alone, on which no decision depends.
    """

    horizon_slots: Count
    train_scenarios: Count
    fewest_devices: Count | None = None
    weights: Annotated[list[Positive], Field(min_length=1)]
    device_weights: Annotated[list[Positive], Field(min_length=1)] | None = None
    device_input_mbit: Annotated[list[Positive], Field(min_length=1)] | None = None
    device_cycles_per_bit: Annotated[list[Positive], Field(min_length=1)] | None = None
    device_distance_m: Annotated[list[Positive], Field(min_length=1)] | None = None
    input_mbit: Range
    output_share: NonNegative
    cycles_per_bit: Range
    radius_m: Positive
    nearest_m: Positive
    obstructed_share: Share
    shadowing_db: NonNegative
    bandwidth_mhz: Positives
    edge_ghz: Positives
    device_ghz: Positive
    transmit_dbm: Real
    noise_dbm_hz: Real
    kappa: Positive | None = None


BinaryScenario = Scenario[BinaryStructure, BinaryNumbers, BinaryStreams]


def inconsistencies(scenario: BinaryScenario) -> list[Inconsistency]:
    """Return what single fields cannot see: (key, problem, remedy) for each contradiction."""
    result: list[Inconsistency] = []
    numbers, world = scenario.params, scenario.world
    fewest = numbers.fewest_devices
    for name, law in OF_DEVICES.items():
        own = getattr(numbers, f"device_{name}")
        if own is not None and len(own) != world.devices:
            message = f"has {len(own)} values, but world.devices is {world.devices}"
            hint = f"give {world.devices} values, or leave it out to draw them from params.{law}"
            result.append((f"params.device_{name}", message, hint))
    if fewest is not None and fewest > world.devices:
        message = f"{fewest} is above world.devices = {world.devices}"
        result.append(("params.fewest_devices", message, "lower it"))
    if fewest is not None and fewest < world.devices and not world.masked:
        message = "the number of devices varies, and a learner is not shown which are there"
        result.append(("world.masked", message, "set world.masked = true"))
    for name in ("input_mbit", "cycles_per_bit"):
        low, high = getattr(numbers, name)
        if low > high:
            message = f"low = {low:g} is above high = {high:g}"
            result.append((f"params.{name}", message, "swap them"))
    if numbers.nearest_m >= numbers.radius_m:
        message = f"{numbers.nearest_m:g} is not below params.radius_m = {numbers.radius_m:g}"
        result.append(("params.nearest_m", message, "lower it"))
    if scenario.streams.gain.kind not in ("fading", "recorded_gains"):
        message = f"kind must be that of a channel; got '{scenario.streams.gain.kind}'"
        result.append(("streams.gain", message, "use kind = 'fading' or 'recorded_gains'"))
    exact = "optimum" in (scenario.evaluation.baseline, scenario.evaluation.reference)
    if exact and world.objective != "separable" and world.devices > MAX_DEVICES:
        message = (
            f"exact enumeration of 2^{world.devices} actions is asked for (evaluation.reference = "
            f"'optimum'); it goes to 2^{MAX_DEVICES}"
        )
        hint = "set evaluation.reference = 'one-flip', or lower the number of devices"
        result.append(("world.devices", message, hint))
    return result
