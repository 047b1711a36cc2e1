"""The tables of an AIGC scenario: sizes and switches, numbers, inputs, and what must agree."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from edgewright.scenarios.processes import (
    CategoricalSpec,
    ProcessSpec,
    lowest,
    process_problems,
)
from edgewright.scenarios.schema import (
    WEIGHT_TOLERANCE,
    Count,
    NonNegative,
    Percent,
    Positive,
    Positives,
    Problem,
    Real,
    Scenario,
    Share,
    Utilisations,
)


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
class AigcStructure:
    """Sizes and switches of the AIGC world; see ``edgewright.worlds.aigc.AigcWorld``."""

    kind: Literal["aigc"]
    devices: Count
    servers: Count
    qualities: Annotated[int, Field(ge=2)]
    energy_account: Literal["system", "device", "literal"]
    edge_energy: Literal["per_cycle", "cubic"]
    obs: Literal["full", "seed"]
    overflow: Literal["end", "reject"]
    wait: Literal["backlog", "slots"]
    work: Literal["total", "density"]
    load_weighting: Literal["off", "high", "literal_low_load"]
    adaptive_weights: bool
    quality_action: bool
    drain_during_upload: bool


@dataclass(frozen=True, kw_only=True)
class AigcNumbers:
    """The numbers of the AIGC world; one value for all servers or a list, one for each."""

    slot_s: Positive
    horizon_slots: Count
    device_ghz: Positives
    server_ghz: Positives
    kappa: Positive
    edge_j_per_gcycle: NonNegative
    transmit_w: NonNegative
    receive_w: NonNegative
    idle_w: NonNegative
    battery_j: Positive
    charge_floor_pct: Percent
    network_delay_s: NonNegative
    output_mb: NonNegative
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
    terminal_reward: Annotated[float, Field(le=0, allow_inf_nan=False)]
    rejected_reward: Real


AigcScenario: TypeAlias = Scenario[AigcStructure, AigcNumbers, AigcStreams]


def inconsistencies(scenario: AigcScenario) -> list[Problem]:
    """Return what single fields cannot see: (key, problem, remedy) for each contradiction."""
    found: list[Problem] = []
    numbers, world = scenario.params, scenario.world
    for row, name in zip(numbers.mode_weights, ("preview", "balanced", "best"), strict=True):
        if abs(sum(row) - 1) > WEIGHT_TOLERANCE:
            key = "params.mode_weights"
            problem = f"the weights of mode '{name}' are {row} and sum to {sum(row):g}, not 1"
            found.append((key, problem, "divide each weight by the sum"))
    sized = [
        ("server_ghz", world.servers, "world.servers"),
        ("background_utilisation", world.servers, "world.servers"),
        ("device_ghz", world.devices, "world.devices"),
        ("quality_multiplier", world.qualities, "world.qualities"),
        ("quality_score", world.qualities, "world.qualities"),
    ]
    for key, size, owner in sized:
        value = getattr(numbers, key)
        if isinstance(value, list) and len(value) != size:
            problem = f"has {len(value)} values, but {owner} is {size}"
            found.append((f"params.{key}", problem, f"give {size} values, or change {owner}"))
    for entry in dataclasses.fields(scenario.streams):
        spec = getattr(scenario.streams, entry.name)
        found += process_problems(entry.name, spec) + _input_problems(entry.name, spec)
    return found


def _input_problems(name: str, spec: ProcessSpec) -> list[Problem]:
    """Return what this input cannot be."""
    key = f"streams.{name}"
    if name == "mode" and not isinstance(spec, CategoricalSpec):
        problem = f"kind = '{spec.kind}' cannot draw a mode"
        return [(key, problem, "use kind = 'categorical'")]
    if isinstance(spec, CategoricalSpec) and name == "mode" and len(spec.probabilities) != 3:
        problem = f"has {len(spec.probabilities)} probabilities for 3 modes"
        return [(f"{key}.probabilities", problem, "give preview, balanced, best")]
    least = lowest(spec)
    if least is None or least > 0:
        return []
    if name == "bandwidth_mbps":
        problem = f"the bandwidth may fall to {least:g} Mbit/s, and no task ever arrives"
        return [(key, problem, "keep the lowest value above 0")]
    if name == "gap_s":
        return [(key, "the gap may be 0 s for ever", "keep it above 0")]
    return []
