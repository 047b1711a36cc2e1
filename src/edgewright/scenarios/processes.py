"""What an input may be driven by: one entry for each kind of process, synthetic or recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from edgewright.scenarios.schema import (
    WEIGHT_TOLERANCE,
    NonNegative,
    Positive,
    Problem,
    Share,
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
    low: NonNegative
    high: NonNegative


@dataclass(frozen=True, kw_only=True)
class CategoricalSpec:
    """Independent draws of an index."""

    kind: Literal["categorical"]
    probabilities: Annotated[list[Share], Field(min_length=2)]


@dataclass(frozen=True, kw_only=True)
class ReflectedWalkSpec:
    """Gaussian random walk with mirrors at ``low`` and ``high``."""

    kind: Literal["reflected_walk"]
    low: NonNegative
    high: NonNegative
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
    | RecordedLoadSpec
    | FadingSpec
    | RecordedGainsSpec,
    Field(discriminator="kind"),
]


def process_problems(name: str, spec: ProcessSpec) -> list[Problem]:
    """Return what contradicts itself in the entry ``streams.name``."""
    key, found = f"streams.{name}", []
    low, high = getattr(spec, "low", None), getattr(spec, "high", None)
    if low is not None and high is not None and low >= high:
        found.append((f"{key}.low", f"low = {low:g} is not below high = {high:g}", "swap them"))
    if isinstance(spec, CompoundPoissonSpec) and spec.job_low >= spec.job_high:
        problem = f"job_low = {spec.job_low:g} is not below job_high = {spec.job_high:g}"
        found.append((f"{key}.job_low", problem, "swap them"))
    if isinstance(spec, CategoricalSpec):
        total = sum(spec.probabilities)
        if abs(total - 1) > WEIGHT_TOLERANCE:
            problem = f"the probabilities sum to {total:g}, not 1"
            found.append((f"{key}.probabilities", problem, "divide each by the sum"))
    return found


def lowest(spec: ProcessSpec) -> float | None:
    """Return the least value that a synthetic process can take; None where that is not stated."""
    if isinstance(spec, UniformSpec | ReflectedWalkSpec | AutoregressiveSpec):
        return spec.low
    if isinstance(spec, ConstantSpec):
        return spec.value
    if isinstance(spec, MarkovChainSpec):
        return min(spec.levels)
    return None
