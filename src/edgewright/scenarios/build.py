"""From a checked scenario to the things themselves. The one registry of kinds."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from edgewright.agents.dqn import DQN
from edgewright.agents.independent import Independent
from edgewright.agents.ppo import PPO
from edgewright.core.errors import InputError, nearest
from edgewright.core.protocols import Learner, Process
from edgewright.core.records import record, static
from edgewright.scenarios import schema
from edgewright.scenarios.load import identity
from edgewright.scenarios.placement import find_placement
from edgewright.streams import processes, recorded
from edgewright.streams.compose import Composite
from edgewright.streams.placement import nearest_servers
from edgewright.worlds.aigc import AigcParams, AigcWorld

MOST_CUT = 1e-6
"""Share of slots in which jobs may be cut from a compound Poisson load."""

INPUT_RANGES = {
    "input_mb": (0.0, 1e6),
    "work_gcycles": (0.0, 1e9),
    "mode": (0.0, 2.0),
    "bandwidth_mbps": (1e-3, 1e9),
    "background_gcps": (0.0, 1e9),
    "initial_charge_pct": (0.0, 100.0),
    "gap_s": (1e-6, 1e6),
}
"""What an evaluation may pin an input to."""

SHARES = ("gamma", "gae_lambda", "warm_share", "epsilon_end", "explore_share")
"""Settings of learners that lie between 0 and 1."""

MOST_SAMPLES = 2**20
"""Samples of one update; the order of minibatches is computed in 32 bits."""

LEARNER_KINDS: dict[str, type] = {"ppo": PPO, "dqn": DQN}


@record
class Built:
    """A scenario come to life: the physics, its inputs for training and for evaluation.

    ``placement`` says where positions come from, ``"recorded"`` or ``"drawn"``; None without any.
    """

    world: AigcWorld = static()
    placement: str | None = static(default=None)
    params: AigcParams
    train_stream: Composite
    test_stream: Composite


@dataclasses.dataclass(frozen=True)
class LearnerPlan:
    """A learner and the worlds it trains in and plays in."""

    name: str
    learner: Learner
    train_world: AigcWorld
    world: AigcWorld


def build(scenario: schema.Scenario, data: str | None = None) -> Built:
    """Return the world, numbers and streams of a scenario.

    Args:
        data: folder of recordings; left out, the environment variable ``EDGEWRIGHT_DATA``.

    Raises:
        InputError: a recording is named but cannot be read.
    """
    structure = dataclasses.asdict(scenario.world)
    structure.pop("kind")
    world = AigcWorld(**structure)
    params, placement = build_params(scenario), None
    if scenario.placement is not None:
        places, was_read = find_placement(scenario, data)
        placement = "recorded" if was_read else "drawn"
        neighbours = jnp.asarray(nearest_servers(places, world.reach))
        params = dataclasses.replace(params, neighbours=neighbours)
    streams = [_streams(scenario, world, params, data, part) for part in ("train", "test")]
    built = Built(
        world=world,
        placement=placement,
        params=params,
        train_stream=streams[0],
        test_stream=streams[1],
    )
    _check_pinned(scenario)
    return built


def is_recorded(scenario: schema.Scenario) -> bool:
    """Say whether any input of the scenario is a recording, so that it needs a data folder."""
    specs = [getattr(scenario.streams, f.name) for f in dataclasses.fields(scenario.streams)]
    return any(spec.kind.startswith("recorded") for spec in specs)


def fingerprint(scenario: schema.Scenario, data: str | None) -> str | None:
    """Return a hash of the recordings that drive a scenario; None where there are none."""
    specs = [getattr(scenario.streams, f.name) for f in dataclasses.fields(scenario.streams)]
    named = [getattr(spec, "folder", getattr(spec, "file", None)) for spec in specs]
    context = _Context(scenario, build_params(scenario), (), data, "train")
    digest = hashlib.sha256()
    if scenario.placement is not None and find_placement(scenario, data)[1]:
        named.append(getattr(scenario.placement, "folder", None))
    for path in (context.file(name) for name in named if name is not None):
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16] if any(name is not None for name in named) else None


def build_params(scenario: schema.Scenario) -> AigcParams:
    """Return the numbers as float32 arrays; single values are repeated for every server."""
    numbers = dataclasses.asdict(scenario.params)
    for name in ("server_ghz", "background_utilisation"):
        if not isinstance(numbers[name], list):
            numbers[name] = [numbers[name]] * scenario.world.servers
    return AigcParams(**{name: jnp.asarray(v, jnp.float32) for name, v in numbers.items()})


def learner_names() -> list[str]:
    """Return the names of the shipped learners."""
    return list(_learners())


def build_learner(
    name: str, scenario: schema.Scenario, world: AigcWorld, total_steps: float
) -> LearnerPlan:
    """Return a shipped learner with the scenario's ``[learner]`` table on top.

    Raises:
        InputError: no learner has that name (the nearest is offered), or a setting is unknown.
    """
    table = _learners()
    if name not in table:
        raise InputError(f"there is no learner '{name}'", hint=nearest(name, table))
    settings = dict(table[name])
    kind = settings.pop("kind")
    make = LEARNER_KINDS[settings.pop("inner", kind)]
    always, training = settings.pop("world", {}), settings.pop("train", {})
    settings |= {"total_steps": float(total_steps), **scenario.learner}
    learns = 1 if kind == "independent" else world.devices
    _check_settings(name, make, settings, learns)
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    learner = make(**settings)
    played = dataclasses.replace(world, **always)
    return LearnerPlan(
        name=name,
        learner=Independent(inner=learner) if kind == "independent" else learner,
        train_world=dataclasses.replace(played, **training),
        world=played,
    )


def _learners() -> dict[str, dict[str, Any]]:
    text = (resources.files("edgewright.scenarios") / "data" / "learners.toml").read_text()
    return tomllib.loads(text)


def _check_settings(name: str, make: type, settings: dict[str, Any], devices: int) -> None:
    """Refuse settings that the learner does not have, or that do not fit each other.

    Args:
        devices: whose samples go into one update of a network.
    """
    fields = {field.name: field for field in dataclasses.fields(make)}
    for key, value in settings.items():
        where = f"learner.{key}"
        if key not in fields:
            raise InputError(
                f"'{name}' has no such setting", where=where, hint=nearest(key, fields)
            )
        default = fields[key].default
        wanted = list if isinstance(default, tuple) else type(default)
        fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and wanted is not bool):
            problem = f"{value!r} is not of the kind of the default {default!r}"
            raise InputError(problem, where=where, hint="give a value of the same kind")
        if wanted in (int, float) and not 0 <= value < float("inf"):
            problem = f"{value!r} is negative or not finite"
            raise InputError(problem, where=where, hint="give a positive value")
        sizes = value if isinstance(value, list) else [value] if wanted is int else []
        if any(not isinstance(size, int) or size < 1 for size in sizes):
            raise InputError(f"{value!r} is no size", where=where, hint="give whole numbers from 1")
        if key in SHARES and not isinstance(value, list) and value > 1:
            raise InputError(f"{value!r} is above 1", where=where, hint="give a value from 0 to 1")
    batch = settings.get("envs", fields["envs"].default) * settings.get(
        "rollout_steps", fields["rollout_steps"].default
    )
    size = settings.get("minibatch", getattr(fields.get("minibatch"), "default", 1))
    samples = "envs * rollout_steps" + (" * devices" if devices > 1 else "")
    batch *= devices
    if batch > MOST_SAMPLES:
        problem = f"{samples} = {batch} is above {MOST_SAMPLES}"
        raise InputError(problem, where="learner.rollout_steps", hint="lower one of them")
    if make is PPO and (size < 1 or batch % size):
        problem = f"{size} does not divide {samples} = {batch}"
        raise InputError(problem, where="learner.minibatch", hint="choose a divisor")


def _check_pinned(scenario: schema.Scenario) -> None:
    names = [field.name for field in dataclasses.fields(scenario.streams)]
    for name, grid in scenario.evaluation.pinned.items():
        key = f"evaluation.pinned.{name}"
        if name not in names:
            raise InputError("there is no such input", where=key, hint=nearest(name, names))
        low, high = INPUT_RANGES[name]
        for value in grid:
            if not low <= value <= high or (name == "mode" and value != int(value)):
                problem = f"{value:g} is not a possible {name}"
                raise InputError(problem, where=key, hint=f"give values from {low:g} to {high:g}")


def _streams(
    scenario: schema.Scenario,
    world: AigcWorld,
    params: AigcParams,
    data: str | None,
    part: recorded.Part,
) -> Composite:
    default = world.inputs(params)
    fields = {}
    for entry in dataclasses.fields(scenario.streams):
        spec = getattr(scenario.streams, entry.name)
        shape = default.fields[entry.name].shape
        context = _Context(scenario, params, shape, data, part)
        fields[entry.name] = PROCESS_KINDS[spec.kind](spec, context)
    return default.replace(**fields)


@dataclasses.dataclass(frozen=True)
class _Context:
    """What building a process may need besides its own entry."""

    scenario: schema.Scenario
    params: AigcParams
    shape: tuple[int, ...]
    data: str | None
    part: recorded.Part

    def file(self, name: str) -> Path:
        """Return a path inside the data folder."""
        folder = self.data or os.environ.get("EDGEWRIGHT_DATA")
        path = Path(name)
        if path.is_absolute():
            return path
        if not folder:
            problem = f"'{self.scenario.name}' is driven by recordings and no data folder is named"
            hint = "give --data FOLDER or set EDGEWRIGHT_DATA (see docs/guides/recorded-inputs.md)"
            raise InputError(problem, hint=hint)
        full = Path(folder) / path
        if not full.exists():
            hint = "give the folder that holds it with --data FOLDER"
            raise InputError(f"there is no '{name}'", where=folder, hint=hint)
        return full


def _numbers(spec: Any, *names: str) -> dict[str, Any]:
    return {name: jnp.asarray(getattr(spec, name), jnp.float32) for name in names}


def _plain(make: Callable[..., Process], *names: str) -> Callable[[Any, _Context], Process]:
    """Return a builder for a process that takes its numbers as they stand."""
    return lambda spec, context: make(shape=context.shape, **_numbers(spec, *names))


def _slot(spec: schema.SlotSpec, context: _Context) -> Process:
    return processes.Constant(value=context.params.slot_s, shape=context.shape)


def _compound_poisson(spec: schema.CompoundPoissonSpec, context: _Context) -> Process:
    params = context.params
    made = processes.CompoundPoisson(
        utilisation=params.background_utilisation,
        capacity=params.server_ghz,
        interval=params.slot_s,
        multipliers=params.quality_multiplier,
        shape=context.shape,
        most_jobs=spec.most_jobs,
        **_numbers(spec, "job_low", "job_high"),
    )
    rate = float(jnp.max(made.mean_jobs()))
    tail = processes.poisson_tail(rate, spec.most_jobs)
    if tail > MOST_CUT:
        raise InputError(
            f"{rate:.2f} jobs arrive in a slot on average, and more than most_jobs = "
            f"{spec.most_jobs} with probability {tail:.1e}",
            where=f"{context.scenario.name}: streams.background_gcps.most_jobs",
            hint="raise most_jobs until that is below 1e-6; the load would be too small",
        )
    return made


def _recorded_bandwidth(spec: schema.RecordedBandwidthSpec, context: _Context) -> Process:
    return recorded.recorded_bandwidth(
        context.file(spec.folder),
        interval_s=context.scenario.params.slot_s,
        mean_mbps=spec.mean_mbps,
        part=context.part,
        shape=context.shape,
        max_gap_s=spec.max_gap_s,
        low_mbps=spec.low_mbps,
    )


def _recorded_gaps(spec: schema.RecordedGapsSpec, context: _Context) -> Process:
    return recorded.recorded_gaps(
        context.file(spec.file), mean_s=spec.mean_s, part=context.part, shape=context.shape
    )


def _recorded_load(spec: schema.RecordedLoadSpec, context: _Context) -> Process:
    return recorded.recorded_load(
        context.file(spec.file),
        utilisation=context.params.background_utilisation,
        capacity=context.params.server_ghz,
        interval_s=context.scenario.params.slot_s,
        part=context.part,
        shape=context.shape,
    )


PROCESS_KINDS: dict[str, Callable[[Any, _Context], Process]] = {
    "slot": _slot,
    "constant": _plain(processes.Constant, "value"),
    "uniform": _plain(processes.Uniform, "low", "high"),
    "categorical": _plain(processes.Categorical, "probabilities"),
    "reflected_walk": _plain(processes.ReflectedWalk, "low", "high", "step_std"),
    "autoregressive": _plain(
        processes.Autoregressive, "mean", "variation", "correlation", "low", "high"
    ),
    "markov_chain": _plain(processes.MarkovChain, "levels", "stay"),
    "poisson": _plain(processes.PoissonArrivals, "mean"),
    "modulated_poisson": _plain(
        processes.ModulatedArrivals, "mean", "calm_factor", "busy_factor", "switch"
    ),
    "compound_poisson": _compound_poisson,
    "recorded_bandwidth": _recorded_bandwidth,
    "recorded_gaps": _recorded_gaps,
    "recorded_load": _recorded_load,
}

__all__ = [
    "LEARNER_KINDS",
    "PROCESS_KINDS",
    "Built",
    "LearnerPlan",
    "build",
    "build_learner",
    "build_params",
    "fingerprint",
    "identity",
    "is_recorded",
    "learner_names",
]
