"""Define the tables of an AIGC scenario (sizes, switches, numbers, inputs) and check them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from edgewright.core.settings import MAX_COUNT
from edgewright.specs.placement import PlacementSpec
from edgewright.specs.processes import (
    CategoricalSpec,
    ProcessSpec,
    laws,
    listed,
    lowest,
    process_problems,
)
from edgewright.specs.schema import (
    WEIGHT_TOLERANCE,
    Count,
    Inconsistency,
    NonNegative,
    NonNegatives,
    NonPositive,
    Percent,
    Positive,
    Positives,
    Real,
    Scenario,
    Share,
    Utilisations,
)
from edgewright.systems.aigc.records import OF_A_DEVICE


@dataclass(frozen=True, kw_only=True)
class AigcStreams:
    """The inputs of the AIGC world, field by field."""

    input_mb: ProcessSpec
    work_gcycles: ProcessSpec
    mode: ProcessSpec
    bandwidth_mbps: ProcessSpec
    background_gcps: ProcessSpec
    initial_charge_pct: ProcessSpec
    gap_s: ProcessSpec


@dataclass(frozen=True, kw_only=True)
class AigcTable:
    """The table ``[world]``; see ``edgewright.systems.aigc.AigcStructure``."""

    kind: Literal["aigc"]
    devices: Count
    servers: Count
    qualities: Annotated[int, Field(ge=2, le=MAX_COUNT)]
    reading: Literal["ours", "paper"]
    obs: Literal["full", "device", "paper"]
    overflow: Literal["end", "reject"]
    adaptive_weights: bool
    quality_action: bool
    reach: Annotated[int, Field(ge=0, le=MAX_COUNT)]
    alone: bool
    uplink: Literal["parallel", "queue"] = "parallel"


@dataclass(frozen=True, kw_only=True)
class AigcNumbers:
    """The numbers of the AIGC world; one value for all, or a list of one for each.

    Lists are for the devices, the servers or the quality levels: see ``inconsistencies``.
    """

    slot_s: Positive
    horizon_slots: Count
    device_ghz: Positives
    server_ghz: Positives
    kappa: Positives
    edge_j_per_gcycle: NonNegative
    transmit_w: NonNegatives
    receive_w: NonNegatives
    idle_w: NonNegatives
    battery_j: Positives
    charge_floor_pct: Percent
    network_delay_s: NonNegative
    output_mb: NonNegatives
    load_limit_gcycles: Positive
    background_cap: Share
    background_utilisation: Utilisations
    quality_multiplier: list[Positive]
    quality_score: list[Share]
    mode_weights: Annotated[
        list[Annotated[list[Share], Field(min_length=3, max_length=3)]],
        Field(min_length=3, max_length=3),
    ]
    shift_fraction: Share
    low_charge_pct: Percent
    low_charge_span_pct: Positive
    load_threshold: Share
    load_span: Positive
    delay_norm_s: Positive
    energy_norm_j: Positive
    reward_scale: Positive
    terminal_reward: NonPositive
    rejected_reward: Real
    placement: PlacementSpec | None = None


AigcScenario: TypeAlias = Scenario[AigcTable, AigcNumbers, AigcStreams]


def inconsistencies(scenario: AigcScenario) -> list[Inconsistency]:
    """Return what single fields cannot see: (key, problem, remedy) for each contradiction."""
    result: list[Inconsistency] = []
    numbers, world = scenario.params, scenario.world
    for row, name in zip(numbers.mode_weights, ("preview", "balanced", "best"), strict=True):
        if abs(sum(row) - 1) > WEIGHT_TOLERANCE:
            key = "params.mode_weights"
            message = f"the weights of mode '{name}' are {row} and sum to {sum(row):g}, not 1"
            result.append((key, message, "divide each weight by the sum"))
    sized = [
        ("server_ghz", world.servers, "world.servers"),
        ("background_utilisation", world.servers, "world.servers"),
        *((name, world.devices, "world.devices") for name in OF_A_DEVICE),
        ("quality_multiplier", world.qualities, "world.qualities"),
        ("quality_score", world.qualities, "world.qualities"),
        ("output_mb", world.qualities, "world.qualities"),
    ]
    for key, size, owner in sized:
        value = getattr(numbers, key)
        if isinstance(value, list) and len(value) != size:
            message = f"has {len(value)} values, but {owner} is {size}"
            result.append((f"params.{key}", message, f"give {size} values, or change {owner}"))
    result += _reach_problems(scenario)
    for entry in dataclasses.fields(scenario.streams):
        spec = getattr(scenario.streams, entry.name)
        result += _list_problems(entry.name, spec, world.devices)
        result += process_problems(entry.name, spec) + _input_problems(entry.name, spec)
    return result


def _reach_problems(scenario: AigcScenario) -> list[Inconsistency]:
    """Reach and placement belong together, and a server has no kappa of a device."""
    world, result = scenario.world, []
    placed = scenario.params.placement is not None
    if world.reach > world.servers:
        message = f"{world.reach} servers are in reach of a device, but world.servers is"
        remedy = "lower it, or set it to 0 for all servers"
        result.append(("world.reach", f"{message} {world.servers}", remedy))
    if world.reach and not placed:
        message = f"{world.reach} servers are in reach of a device, but nothing says which"
        result.append(("world.reach", message, "add [params.placement], or set it to 0"))
    if placed and not world.reach:
        message = "positions change nothing where every device reaches every server"
        result.append(("params.placement", message, "set world.reach, or remove the table"))
    if world.reading == "paper" and isinstance(scenario.params.kappa, list):
        message = "reading = 'paper' uses the same kappa for servers, and devices differ in it"
        result.append(("params.kappa", message, "give one kappa, or use reading = 'ours'"))
    return result


def _list_problems(name: str, spec: ProcessSpec, devices: int) -> list[Inconsistency]:
    """Return which lists are not one value for each device."""
    for part, count in listed(spec).items():
        key = f"streams.{name}.{part}"
        if name in ("background_gcps", "gap_s"):
            message = f"a list gives one value for each device, and {name} has none"
            return [(key, message, "give one value")]
        if count != devices:
            message = f"has {count} values, but world.devices is {devices}"
            return [(key, message, f"give {devices} values, or change world.devices")]
    return []


def _input_problems(name: str, spec: ProcessSpec) -> list[Inconsistency]:
    """Return what this input cannot be."""
    key = f"streams.{name}"
    if name == "mode" and not isinstance(spec, CategoricalSpec):
        message = f"kind = '{spec.kind}' cannot draw a mode"
        return [(key, message, "use kind = 'categorical'")]
    for row in laws(spec) if isinstance(spec, CategoricalSpec) and name == "mode" else ():
        if len(row) != 3:
            message = f"has {len(row)} probabilities for 3 modes"
            return [(f"{key}.probabilities", message, "give preview, balanced, best")]
    least = lowest(spec)
    if least is None or least > 0:
        return []
    if name == "bandwidth_mbps":
        message = f"the bandwidth may fall to {least:g} Mbit/s, and no task ever arrives"
        return [(key, message, "keep the lowest value above 0")]
    if name == "gap_s":
        return [(key, "the gap may be 0 s for ever", "keep it above 0")]
    return []
