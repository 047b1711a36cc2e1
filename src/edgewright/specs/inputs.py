"""From the ``[streams]`` table of a scenario to its streams. The one registry of kinds."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from edgewright.core.errors import InputError, nearest
from edgewright.core.protocols import Process
from edgewright.specs import processes as specs
from edgewright.specs import recordings
from edgewright.specs.placement import RecordedPlacementSpec, recorded_folder
from edgewright.specs.schema import Scenario
from edgewright.streams import arrivals, channel, markets, popularity, processes, recorded
from edgewright.streams.compose import Composite
from edgewright.streams.summary import Summary
from edgewright.streams.traces import Part, check_is_file

MAX_CUT = 1e-6
"""Share of slots in which jobs may be cut from a compound Poisson load."""


@dataclasses.dataclass(frozen=True)
class Context:
    """Facts that building a process may need besides its own entry."""

    scenario: Scenario[Any, Any, Any]
    params: Any
    shape: tuple[int, ...]
    data: str | None
    part: Part
    name: str = ""

    def file(self, name: str) -> Path:
        """Return a path inside the data folder."""
        folder = self.data or os.environ.get("EDGEWRIGHT_DATA")
        path = Path(name)
        if path.is_absolute():
            return path
        if not folder:
            message = f"'{self.scenario.name}' is driven by recordings and no data folder is named"
            hint = f"give --data FOLDER or set EDGEWRIGHT_DATA to the folder that holds '{name}'"
            raise InputError(message, hint=hint)
        full = Path(folder) / path
        if not full.exists():
            hint = "give the folder that holds it with --data FOLDER"
            raise InputError(f"'{name}' is missing", where=folder, hint=hint)
        return full


def _numbers(spec: Any, *names: str) -> dict[str, Any]:
    return {name: jnp.asarray(getattr(spec, name), jnp.float32) for name in names}


def _plain(make: Callable[..., Process], *names: str) -> Callable[[Any, Context], Process]:
    """Return a builder for a process that takes its numbers as they stand."""
    return lambda spec, context: make(shape=context.shape, **_numbers(spec, *names))


def _table(
    axes: int, make: Callable[..., Process], numbers: tuple[str, ...], *sizes: str
) -> Callable[[Any, Context], Process]:
    """Return a builder for a process whose rows are lists (one axis) or square tables (two)."""

    def build(spec: Any, context: Context) -> Process:
        shape = context.shape
        if len(shape) != axes or len(set(shape)) != 1:
            what = "a list of numbers" if axes == 1 else "a square table"
            message = f"kind = '{spec.kind}' gives {what}, and this input has the shape {shape}"
            raise InputError(message, where=f"streams.{context.name}", hint="choose another kind")
        fixed = {name: getattr(spec, name) for name in sizes}
        return make(shape=shape, **_numbers(spec, *numbers), **fixed)

    return build


def _slot(spec: specs.SlotSpec, context: Context) -> Process:
    return processes.Constant(value=context.params.slot_s, shape=context.shape)


def _compound_poisson(spec: specs.CompoundPoissonSpec, context: Context) -> Process:
    params = context.params
    made = arrivals.CompoundPoisson(
        utilisation=params.background_utilisation,
        capacity=params.server_ghz,
        interval=params.slot_s,
        multipliers=params.quality_multiplier,
        shape=context.shape,
        most_jobs=spec.most_jobs,
        **_numbers(spec, "job_low", "job_high"),
    )
    rate = float(jnp.max(made.mean_jobs()))
    tail = arrivals.poisson_tail(rate, spec.most_jobs)
    if tail > MAX_CUT:
        raise InputError(
            f"{rate:.2f} jobs arrive in a slot on average, and more than most_jobs = "
            f"{spec.most_jobs} with probability {tail:.1e}",
            where=f"{context.scenario.name}: streams.background_gcps.most_jobs",
            hint="raise most_jobs until that is below 1e-6; the load would be too small",
        )
    return made


def _recorded_bandwidth(spec: specs.RecordedBandwidthSpec, context: Context) -> Process:
    return recorded.recorded_bandwidth(
        recordings.paths(spec, context.name, context.file),
        interval_s=context.scenario.params.slot_s,
        mean_mbps=spec.mean_mbps,
        part=context.part,
        shape=context.shape,
        low_mbps=spec.low_mbps,
        reading=recordings.reading(spec, context.name),
    )


def _recorded_gaps(spec: specs.RecordedGapsSpec, context: Context) -> Process:
    return recorded.recorded_gaps(
        context.file(spec.file),
        mean_s=spec.mean_s,
        part=context.part,
        train_from=spec.train_from or 0.0,
        shape=context.shape,
        reading=recordings.reading(spec, context.name),
    )


def _recorded_load(spec: specs.RecordedLoadSpec, context: Context) -> Process:
    return recorded.recorded_load(
        context.file(spec.file),
        utilisation=context.params.background_utilisation,
        capacity=context.params.server_ghz,
        interval_s=context.scenario.params.slot_s,
        part=context.part,
        train_from=spec.train_from or 0.0,
        shape=context.shape,
        reading=recordings.reading(spec, context.name),
    )


def _zipf(spec: specs.ZipfSpec, context: Context) -> Process:
    return popularity.ZipfRequests(
        services=context.params.service_mib.shape[0],
        shape=context.shape,
        random_start=spec.random_start,
        **_numbers(spec, "exponent", "drift"),
    )


def _recorded_services(spec: specs.RecordedServicesSpec, context: Context) -> Process:
    return popularity.recorded_services(
        context.file(spec.file),
        services=context.params.service_mib.shape[0],
        part=context.part,
        shape=context.shape,
        reading=recordings.reading(spec, context.name),
    )


def _fading(spec: specs.FadingSpec, context: Context) -> Process:
    raise InputError(
        "kind = 'fading' is the radio channel of the binary world, and this world has none",
        where=f"{context.scenario.name}: streams",
        hint="choose another kind",
    )


def _recorded_gains(spec: specs.RecordedGainsSpec, context: Context) -> Process:
    return channel.recorded_gains(
        context.file(spec.file),
        devices=context.shape[0],
        scale=spec.scale,
        part=context.part,
        reading=recordings.gain_reading(spec, context.name),
    )


PROCESS_KINDS: dict[str, Callable[[Any, Context], Process]] = {
    "slot": _slot,
    "constant": _plain(processes.Constant, "value"),
    "uniform": _plain(processes.Uniform, "low", "high"),
    "categorical": _plain(processes.Categorical, "probabilities"),
    "zipf": _zipf,
    "reflected_walk": _plain(processes.ReflectedWalk, "low", "high", "step_std"),
    "autoregressive": _plain(
        processes.Autoregressive, "mean", "variation", "correlation", "low", "high"
    ),
    "markov_chain": _plain(processes.MarkovChain, "levels", "stay"),
    "poisson": _plain(arrivals.PoissonArrivals, "mean"),
    "modulated_poisson": _plain(
        arrivals.ModulatedArrivals, "mean", "calm_factor", "busy_factor", "switch"
    ),
    "compound_poisson": _compound_poisson,
    "recorded_bandwidth": _recorded_bandwidth,
    "recorded_gaps": _recorded_gaps,
    "recorded_load": _recorded_load,
    "recorded_services": _recorded_services,
    "fading": _fading,
    "recorded_gains": _recorded_gains,
    "dirichlet": _table(1, markets.Dirichlet, (), "concentration"),
    "increasing": _table(1, markets.Increasing, ("low", "high", "gap_low", "gap_high")),
    "persistent_types": _table(2, markets.PersistentTypes, ("low", "high"), "concentration"),
    "share_walk": _table(1, markets.ShareWalk, ("spread", "step_std")),
    "persistence_walk": _table(2, markets.PersistenceWalk, ("low", "high", "step_std", "law")),
}


_LOAD = ("background_utilisation", "server_ghz", "slot_s")
NEEDS = {
    "slot": ("slot_s",),
    "compound_poisson": (*_LOAD, "quality_multiplier"),
    "recorded_bandwidth": ("slot_s",),
    "recorded_load": _LOAD,
    "zipf": ("service_mib",),
    "recorded_services": ("service_mib",),
}
"""Numbers of the world that a kind of process reads."""


def composed(
    scenario: Scenario[Any, Any, Any],
    default: Composite,
    params: Any,
    data: str | None,
    part: Part,
) -> Composite:
    """Return the world's ``default`` stream with every input that the scenario names replaced."""
    fields = {}
    for name, spec in entries(scenario).items():
        if name not in default.fields:
            hint = nearest(name, default.fields)
            raise InputError("unknown input", where=f"streams.{name}", hint=hint)
        lacking = [need for need in NEEDS.get(spec.kind, ()) if not hasattr(params, need)]
        if lacking:
            message = (
                f"kind = '{spec.kind}' needs the number '{lacking[0]}', and this world has none"
            )
            raise InputError(message, where=f"streams.{name}", hint="choose another kind")
        context = Context(scenario, params, default.fields[name].shape, data, part, name)
        fields[name] = PROCESS_KINDS[spec.kind](spec, context)
    return default.replace(**fields)


def entries(scenario: Scenario[Any, Any, Any]) -> dict[str, Any]:
    """Return the process of every input that the scenario names."""
    streams = scenario.streams
    if isinstance(streams, dict):  # a plain system: only what replaces the world's default
        return dict(streams)
    named = {f.name: getattr(streams, f.name) for f in dataclasses.fields(streams)}
    return {name: spec for name, spec in named.items() if spec is not None}


def is_recorded(scenario: Scenario[Any, Any, Any]) -> bool:
    """Return whether any input of the scenario is a recording, so that it needs a data folder."""
    return any(recordings.is_recording(spec) for spec in entries(scenario).values())


def described(scenario: Scenario[Any, Any, Any], data: str | None) -> dict[str, Summary]:
    """Return what the recordings that drive a scenario hold, for each input, as trained on."""
    context = Context(scenario, None, (), data, "train")
    return {
        name: recordings.summarise(spec, name, context.file, "train")
        for name, spec in entries(scenario).items()
        if recordings.is_recording(spec)
    }


def fingerprint(scenario: Scenario[Any, Any, Any], data: str | None) -> str | None:
    """Return a hash of the recordings that drive a scenario; None where there are none."""
    context = Context(scenario, None, (), data, "train")
    files = [
        file
        for name, spec in entries(scenario).items()
        if recordings.is_recording(spec)
        for file in recordings.paths(spec, name, context.file)
    ]
    placement = getattr(scenario.params, "placement", None)
    if isinstance(placement, RecordedPlacementSpec):
        folder = recorded_folder(placement, data)
        files += [folder / placement.sites, folder / placement.users] if folder else []
    digest = hashlib.sha256()
    for file in files:
        check_is_file(file)
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16] if files else None


__all__ = [
    "PROCESS_KINDS",
    "Context",
    "composed",
    "described",
    "entries",
    "fingerprint",
    "is_recorded",
]
