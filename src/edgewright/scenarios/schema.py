"""What a scenario file may say: stdlib dataclasses, checked by pydantic, units in the names.

Unknown keys are refused by :mod:`edgewright.scenarios.load` (with the nearest valid one), types and
ranges here. ``edgewright list --schema`` prints the JSON schema that falls out.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Real: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Percent: TypeAlias = Annotated[float, Field(ge=0, le=100)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Positives: TypeAlias = Positive | Annotated[list[Positive], Field(min_length=1)]
NonNegatives: TypeAlias = NonNegative | Annotated[list[NonNegative], Field(min_length=1)]
Shares: TypeAlias = Annotated[list[Share], Field(min_length=2)]
Utilisations: TypeAlias = (
    Annotated[float, Field(ge=0, lt=1)]
    | Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=1)]
)

WEIGHT_TOLERANCE = 1e-6

DEVICE_NUMBERS = ("device_ghz", "kappa", "transmit_w", "receive_w", "idle_w", "battery_j")
"""Keys of ``[params]`` that may list one value for each device."""


# --- streams: one entry per field of the world's inputs ------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SlotSpec:
    """The nominal slot, ``params.slot_s``, every time."""

    kind: Literal["slot"]


@dataclass(frozen=True, kw_only=True)
class ConstantSpec:
    """The same value in every row."""

    kind: Literal["constant"]
    value: NonNegative


@dataclass(frozen=True, kw_only=True)
class UniformSpec:
    """Independent and uniform between ``low`` and ``high``."""

    kind: Literal["uniform"]
    low: NonNegatives
    high: NonNegatives


@dataclass(frozen=True, kw_only=True)
class CategoricalSpec:
    """Independent draws of an index."""

    kind: Literal["categorical"]
    probabilities: Shares | Annotated[list[Shares], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class ReflectedWalkSpec:
    """Gaussian random walk with mirrors at ``low`` and ``high``."""

    kind: Literal["reflected_walk"]
    low: NonNegatives
    high: NonNegatives
    step_std: Positive


@dataclass(frozen=True, kw_only=True)
class AutoregressiveSpec:
    """Log-normal AR(1) with a measured mean, coefficient of variation and lag-one correlation."""

    kind: Literal["autoregressive"]
    mean: Positive
    variation: Positive
    correlation: Annotated[float, Field(ge=0, lt=1)]
    low: NonNegative
    high: NonNegative


@dataclass(frozen=True, kw_only=True)
class MarkovChainSpec:
    """A chain over measured levels."""

    kind: Literal["markov_chain"]
    levels: Annotated[list[NonNegative], Field(min_length=2)]
    stay: Share


@dataclass(frozen=True, kw_only=True)
class PoissonSpec:
    """Exponential gaps."""

    kind: Literal["poisson"]
    mean: Positive


@dataclass(frozen=True, kw_only=True)
class ModulatedPoissonSpec:
    """Markov-modulated Poisson gaps with a calm and a busy phase."""

    kind: Literal["modulated_poisson"]
    mean: Positive
    calm_factor: Positive
    busy_factor: Positive
    switch: Share


@dataclass(frozen=True, kw_only=True)
class CompoundPoissonSpec:
    """Jobs of other users; the rate follows ``params.background_utilisation``."""

    kind: Literal["compound_poisson"]
    job_low: Positive
    job_high: Positive
    most_jobs: Annotated[int, Field(ge=1, le=64)] = 12


@dataclass(frozen=True, kw_only=True)
class RecordedBandwidthSpec:
    """Two-column logs of a folder, resampled to the slot and scaled to a stated mean."""

    kind: Literal["recorded_bandwidth"]
    folder: str
    mean_mbps: Positive | None = None
    low_mbps: Positive | None = None
    max_gap_s: Positive = 30.0


@dataclass(frozen=True, kw_only=True)
class RecordedGapsSpec:
    """Inter-arrival gaps of a request log in their order, scaled to a stated mean."""

    kind: Literal["recorded_gaps"]
    file: str
    mean_s: Positive


@dataclass(frozen=True, kw_only=True)
class RecordedLoadSpec:
    """Work of a request log, scaled to ``params.background_utilisation`` of each server."""

    kind: Literal["recorded_load"]
    file: str


ProcessSpec: TypeAlias = Annotated[
    SlotSpec
    | ConstantSpec
    | UniformSpec
    | CategoricalSpec
    | ReflectedWalkSpec
    | AutoregressiveSpec
    | MarkovChainSpec
    | PoissonSpec
    | ModulatedPoissonSpec
    | CompoundPoissonSpec
    | RecordedBandwidthSpec
    | RecordedGapsSpec
    | RecordedLoadSpec,
    Field(discriminator="kind"),
]


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


# --- the world and its numbers -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AigcStructure:
    """Sizes and switches of the AIGC world; see ``edgewright.worlds.aigc.AigcWorld``."""

    kind: Literal["aigc"]
    devices: Count
    servers: Count
    qualities: Annotated[int, Field(ge=2)]
    energy_account: Literal["system", "device", "literal"]
    edge_energy: Literal["per_cycle", "cubic"]
    obs: Literal["full", "device", "seed"]
    overflow: Literal["end", "reject"]
    wait: Literal["backlog", "slots"]
    work: Literal["total", "density"]
    load_weighting: Literal["off", "high", "literal_low_load"]
    adaptive_weights: bool
    quality_action: bool
    drain_during_upload: bool
    reach: Annotated[int, Field(ge=0)]
    alone: bool


@dataclass(frozen=True, kw_only=True)
class UniformPlacement:
    """Devices and servers at independent uniform places on a rectangle."""

    kind: Literal["uniform"]
    width_m: Positive
    height_m: Positive
    seed: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class RecordedPlacement:
    """Users and sites of a folder; where it is absent, what stands in for it, if anything."""

    kind: Literal["recorded"]
    folder: str
    absent: UniformPlacement | None = None


PlacementSpec: TypeAlias = Annotated[
    UniformPlacement | RecordedPlacement, Field(discriminator="kind")
]


@dataclass(frozen=True, kw_only=True)
class AigcNumbers:
    """The numbers of the AIGC world; one value for all, or a list of one for each.

    Lists are for servers, or for devices, as ``inconsistencies`` says.
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


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How policies are scored: the same episodes for all."""

    episodes: Annotated[int, Field(ge=2)]
    seed: Annotated[int, Field(ge=0)]
    missed_reward: Real
    baseline: str
    reference: str
    pinned: dict[str, Annotated[list[Real], Field(min_length=1)]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What ``edgewright train`` does when it is not told otherwise."""

    learner: str
    steps: Annotated[float, Field(ge=1, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One world with its numbers, its inputs and its evaluation."""

    schema: Literal[1]
    name: str
    title: str
    world: AigcStructure
    params: AigcNumbers
    streams: AigcStreams
    evaluation: Evaluation
    training: TrainingPlan
    placement: PlacementSpec | None = None
    learner: dict[str, float | int | bool | list[int]] = field(default_factory=dict)


def inconsistencies(scenario: Scenario) -> list[tuple[str, str, str]]:
    """Return what single fields cannot see: (key, problem, remedy) for each contradiction."""
    found: list[tuple[str, str, str]] = []
    numbers, world = scenario.params, scenario.world
    for row, name in zip(numbers.mode_weights, ("preview", "balanced", "best"), strict=True):
        if abs(sum(row) - 1) > WEIGHT_TOLERANCE:
            key = "params.mode_weights"
            problem = f"the weights of mode '{name}' are {row} and sum to {sum(row):g}, not 1"
            found.append((key, problem, "divide each weight by the sum"))
    sized = [
        ("server_ghz", world.servers, "world.servers"),
        ("background_utilisation", world.servers, "world.servers"),
        *((name, world.devices, "world.devices") for name in DEVICE_NUMBERS),
        ("quality_multiplier", world.qualities, "world.qualities"),
        ("quality_score", world.qualities, "world.qualities"),
    ]
    for key, size, owner in sized:
        value = getattr(numbers, key)
        if isinstance(value, list) and len(value) != size:
            problem = f"has {len(value)} values, but {owner} is {size}"
            found.append((f"params.{key}", problem, f"give {size} values, or change {owner}"))
    found += _placement_problems(scenario)
    for entry in dataclasses.fields(scenario.streams):
        found += _process_problems(entry.name, getattr(scenario.streams, entry.name), world.devices)
    return found


def _placement_problems(scenario: Scenario) -> list[tuple[str, str, str]]:
    """Reach and placement belong together."""
    world, found = scenario.world, []
    if world.reach > world.servers:
        problem = f"{world.reach} servers are in reach of a device, but world.servers is"
        remedy = "lower it, or set it to 0 for all servers"
        found.append(("world.reach", f"{problem} {world.servers}", remedy))
    if world.reach and scenario.placement is None:
        problem = f"{world.reach} servers are in reach of a device, but nothing says which"
        found.append(("world.reach", problem, "add a [placement], or set it to 0"))
    if scenario.placement is not None and not world.reach:
        problem = "positions change nothing where every device reaches every server"
        found.append(("placement", problem, "set world.reach, or remove the table"))
    if world.edge_energy == "cubic" and isinstance(scenario.params.kappa, list):
        problem = "edge_energy = 'cubic' uses the same kappa for servers, and devices differ in it"
        found.append(("params.kappa", problem, "give one kappa, or use 'per_cycle'"))
    return found


def _process_problems(name: str, spec: ProcessSpec, devices: int) -> list[tuple[str, str, str]]:
    key, found = f"streams.{name}", []
    for part in ("low", "high", "probabilities"):
        value = getattr(spec, part, None)
        rows = value if isinstance(value, list) else [value]
        if not isinstance(value, list) or (
            part == "probabilities" and not isinstance(rows[0], list)
        ):
            continue
        if name in ("background_gcps", "gap_s"):
            problem = f"a list gives one value for each device, and {name} has none"
            found.append((f"{key}.{part}", problem, "give one value"))
        elif len(rows) != devices:
            problem = f"has {len(rows)} values, but world.devices is {devices}"
            remedy = f"give {devices} values, or change world.devices"
            found.append((f"{key}.{part}", problem, remedy))
    if found:
        return found
    low, high = getattr(spec, "low", None), getattr(spec, "high", None)
    if low is not None and high is not None:
        lows, highs = np.broadcast_arrays(np.asarray(low), np.asarray(high))
        for one, other in zip(lows.ravel(), highs.ravel(), strict=True):
            if one >= other:
                problem = f"low = {one:g} is not below high = {other:g}"
                found.append((f"{key}.low", problem, "swap them"))
                break
        low = float(lows.min())
    if isinstance(spec, CompoundPoissonSpec) and spec.job_low >= spec.job_high:
        problem = f"job_low = {spec.job_low:g} is not below job_high = {spec.job_high:g}"
        found.append((f"{key}.job_low", problem, "swap them"))
    if isinstance(spec, CategoricalSpec):
        lists = [row for row in spec.probabilities if isinstance(row, list)]
        for row in lists or [[p for p in spec.probabilities if not isinstance(p, list)]]:
            total = sum(row)
            if abs(total - 1) > WEIGHT_TOLERANCE:
                problem = f"the probabilities sum to {total:g}, not 1"
                found.append((f"{key}.probabilities", problem, "divide each by the sum"))
            if name == "mode" and len(row) != 3:
                problem = f"has {len(row)} probabilities for 3 modes"
                found.append((f"{key}.probabilities", problem, "give preview, balanced, best"))
    elif name == "mode":
        found.append((key, f"kind = '{spec.kind}' cannot draw a mode", "use kind = 'categorical'"))
    if name in ("bandwidth_mbps", "gap_s"):
        lowest = {"uniform": low, "reflected_walk": low, "autoregressive": low}.get(spec.kind)
        if isinstance(spec, ConstantSpec):
            lowest = spec.value
        elif isinstance(spec, MarkovChainSpec):
            lowest = min(spec.levels)
        if lowest is not None and lowest <= 0 and name == "bandwidth_mbps":
            problem = f"the bandwidth may fall to {lowest:g} Mbit/s, and no task ever arrives"
            found.append((key, problem, "keep the lowest value above 0"))
        if lowest is not None and lowest <= 0 and name == "gap_s":
            found.append((key, "the gap may be 0 s for ever", "keep it above 0"))
    return found
