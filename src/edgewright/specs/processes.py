"""Define the processes that may drive an input, synthetic or recorded, with one entry for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from edgewright.specs.schema import (
    WEIGHT_TOLERANCE,
    Inconsistency,
    NonNegative,
    NonNegatives,
    Positive,
    Share,
    Shares,
)


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
class ZipfSpec:
    """Requests by Zipf's law over the services; the ranking may drift, or begin anywhere."""

    kind: Literal["zipf"]
    exponent: NonNegative
    drift: Share = 0.0
    random_start: bool = False


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
class DirichletSpec:
    """Independent shares by the Dirichlet law, the same whole concentration for all."""

    kind: Literal["dirichlet"]
    concentration: Annotated[int, Field(ge=1, le=64)] = 1


@dataclass(frozen=True, kw_only=True)
class IncreasingSpec:
    """Numbers that rise, with a uniform first one and uniform gaps."""

    kind: Literal["increasing"]
    low: NonNegative
    high: NonNegative
    gap_low: NonNegative
    gap_high: NonNegative


@dataclass(frozen=True, kw_only=True)
class PersistentTypesSpec:
    """Independent Markov matrices of types that stay, or are drawn anew; uniform persistence."""

    kind: Literal["persistent_types"]
    low: Share
    high: Share
    concentration: Annotated[int, Field(ge=1, le=64)] = 1


@dataclass(frozen=True, kw_only=True)
class ShareWalkSpec:
    """Shares whose logarithms are a reflected walk."""

    kind: Literal["share_walk"]
    spread: Positive
    step_std: Positive


@dataclass(frozen=True, kw_only=True)
class PersistenceWalkSpec:
    """Markov matrices with one law of new types, and a persistence that is a reflected walk."""

    kind: Literal["persistence_walk"]
    low: Share
    high: Share
    step_std: Positive
    law: Shares


RateUnit: TypeAlias = Literal["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "B/s", "kB/s", "MB/s"]
TimeUnit: TypeAlias = Literal["ns", "us", "ms", "s", "min", "h"]


@dataclass(frozen=True, kw_only=True)
class RecordedBandwidthSpec:
    """Logs of one or several folders, resampled to the slot and scaled to a stated mean."""

    kind: Literal["recorded_bandwidth"]
    folder: str | Annotated[list[str], Field(min_length=1)]
    files: str = ""
    mean_mbps: Positive | None = None
    low_mbps: Positive | None = None
    max_gap_s: Positive | None = None
    unit: RateUnit | None = None
    time_unit: TimeUnit | None = None
    columns: dict[Literal["time", "rate"], str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RecordedGapsSpec:
    """Inter-arrival gaps of a request log in their order, scaled to a stated mean."""

    kind: Literal["recorded_gaps"]
    file: str
    mean_s: Positive
    max_gap_s: Positive | None = None
    time_unit: TimeUnit | None = None
    columns: dict[Literal["time", "input", "output"], str] = field(default_factory=dict)
    train_from: Annotated[float, Field(ge=0, lt=1)] | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedLoadSpec:
    """Work of a request log, scaled to ``params.background_utilisation`` of each server."""

    kind: Literal["recorded_load"]
    file: str
    max_gap_s: Positive | None = None
    time_unit: TimeUnit | None = None
    columns: dict[Literal["time", "input", "output"], str] = field(default_factory=dict)
    train_from: Annotated[float, Field(ge=0, lt=1)] | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedServicesSpec:
    """Requests of a log in their order, as services by the length of the prompt."""

    kind: Literal["recorded_services"]
    file: str
    max_gap_s: Positive | None = None
    time_unit: TimeUnit | None = None
    columns: dict[Literal["time", "input", "output"], str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FadingSpec:
    """The world's own radio channel: path loss, shadowing, Rayleigh fading."""

    kind: Literal["fading"]


@dataclass(frozen=True, kw_only=True)
class RecordedGainsSpec:
    """Power gains of a file of DROO's form; the devices of a slot stay together."""

    kind: Literal["recorded_gains"]
    file: str
    scale: Positive = 1.0
    variable: str = "input_h"
    unit: Literal["linear", "dB"] | None = None
    transpose: bool | None = None
    low_gain: Positive | None = None


ProcessSpec: TypeAlias = Annotated[
    SlotSpec
    | ConstantSpec
    | UniformSpec
    | CategoricalSpec
    | ZipfSpec
    | ReflectedWalkSpec
    | AutoregressiveSpec
    | MarkovChainSpec
    | PoissonSpec
    | ModulatedPoissonSpec
    | CompoundPoissonSpec
    | RecordedBandwidthSpec
    | RecordedGapsSpec
    | RecordedLoadSpec
    | RecordedServicesSpec
    | FadingSpec
    | RecordedGainsSpec
    | DirichletSpec
    | IncreasingSpec
    | PersistentTypesSpec
    | ShareWalkSpec
    | PersistenceWalkSpec,
    Field(discriminator="kind"),
]


def process_problems(name: str, spec: ProcessSpec) -> list[Inconsistency]:
    """Return what contradicts itself in the entry ``streams.name``."""
    key, result = f"streams.{name}", []
    for low, high in _ranges(spec):
        if low >= high:
            message = f"low = {low:g} is not below high = {high:g}"
            result.append((f"{key}.low", message, "swap them"))
            break
    if isinstance(spec, CompoundPoissonSpec) and spec.job_low >= spec.job_high:
        message = f"job_low = {spec.job_low:g} is not below job_high = {spec.job_high:g}"
        result.append((f"{key}.job_low", message, "swap them"))
    if isinstance(spec, IncreasingSpec) and spec.gap_low >= spec.gap_high:
        message = f"gap_low = {spec.gap_low:g} is not below gap_high = {spec.gap_high:g}"
        result.append((f"{key}.gap_low", message, "swap them"))
    if isinstance(spec, PersistenceWalkSpec) and abs(sum(spec.law) - 1) > WEIGHT_TOLERANCE:
        message = f"the probabilities sum to {sum(spec.law):g}, not 1"
        result.append((f"{key}.law", message, "divide each by the sum"))
    if isinstance(spec, CategoricalSpec):
        for row in laws(spec):
            if abs(sum(row) - 1) > WEIGHT_TOLERANCE:
                message = f"the probabilities sum to {sum(row):g}, not 1"
                result.append((f"{key}.probabilities", message, "divide each by the sum"))
    return result


def laws(spec: CategoricalSpec) -> list[list[float]]:
    """Return the probabilities of a categorical process: one list, or one for each element."""
    rows = [row for row in spec.probabilities if isinstance(row, list)]
    return rows or [[share for share in spec.probabilities if not isinstance(share, list)]]


def listed(spec: ProcessSpec) -> dict[str, int]:
    """Return the keys that list one value for each element of a row, with how many they list."""
    ends = {key: getattr(spec, key, None) for key in ("low", "high")}
    result = {key: len(value) for key, value in ends.items() if isinstance(value, list)}
    if isinstance(spec, CategoricalSpec) and isinstance(spec.probabilities[0], list):
        result["probabilities"] = len(spec.probabilities)
    return result


def _ranges(spec: ProcessSpec) -> list[tuple[float, float]]:
    """Return (low, high) of a process, one for each element where they are lists of one length."""
    low, high = getattr(spec, "low", None), getattr(spec, "high", None)
    if low is None or high is None:
        return []
    count = max(listed(spec).values(), default=1)
    lows, highs = (value if isinstance(value, list) else [value] * count for value in (low, high))
    return list(zip(lows, highs, strict=False))


def lowest(spec: ProcessSpec) -> float | None:
    """Return the least value that a synthetic process can take; None where that is not stated."""
    if isinstance(spec, UniformSpec | ReflectedWalkSpec | AutoregressiveSpec):
        return min(spec.low) if isinstance(spec.low, list) else spec.low
    if isinstance(spec, ConstantSpec):
        return spec.value
    if isinstance(spec, MarkovChainSpec):
        return min(spec.levels)
    return None
