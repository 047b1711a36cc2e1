"""Learners by name: settings from ``data/learners.toml``, with the scenario's own on top."""

from __future__ import annotations

import dataclasses
import functools
import tomllib
import typing
from importlib import resources
from typing import Any

from edgewright.agents.dqn import DQN
from edgewright.agents.droo import Droo
from edgewright.agents.independent import Independent
from edgewright.agents.maml import Maml
from edgewright.agents.ppo import PPO
from edgewright.core import renamed
from edgewright.core.errors import InputError, nearest
from edgewright.core.protocols import Learner, World
from edgewright.specs.schema import Scenario
from edgewright.systems.registry import system_of

SHARES = ("gamma", "gae_lambda", "warmup_fraction", "final_epsilon", "exploration_fraction")
"""Settings of learners that lie between 0 and 1."""

MAX_SAMPLES = 2**20
"""Samples of one update; the order of minibatches is computed in 32 bits."""

_SIZES = ("num_envs", "rollout_steps", "batch_size")

_FROM_WORLD = {"masked": "masked", "num_candidates": "devices"}
"""Settings that are the world's own sizes and switches unless somebody sets them."""


@dataclasses.dataclass(frozen=True)
class Around:
    """A learner around another one: a setting goes to whichever of the two has it."""

    make: type
    slot: str
    inner: type

    def __call__(self, **settings: Any) -> Any:
        """Return the outer learner with the inner one in its slot."""
        own = _own(self.make)
        inner = {name: value for name, value in settings.items() if name not in own}
        outer = {name: value for name, value in settings.items() if name in own}
        return self.make(**{self.slot: self.inner(**inner)}, **outer)


LEARNER_KINDS: dict[str, type | Around] = {
    "ppo": PPO,
    "dqn": DQN,
    "droo": Droo,
    "maml": Around(Maml, "base", Droo),
}
INDEPENDENT = "independent"
"""The kind that gives every device an ``inner`` learner, of one of the kinds above, of its own."""


@dataclasses.dataclass(frozen=True)
class LearnerPlan:
    """A learner and the worlds it trains in and plays in."""

    name: str
    learner: Learner
    train_world: World
    world: World


def register_learner(name: str, make: type, **settings: Any) -> None:
    """Add a learner of your own: a name for ``make(**settings)``, a record that keeps the laws.

    Its fields become settings that a scenario's ``[learner]`` table may change. The name is known
    to every command of this process; name the file that calls this with ``--plugin``.

    Raises:
        InputError: a shipped learner, or another class, has that name.
    """
    if name in _shipped() or _ADDED.get(name, (make,))[0].__qualname__ != make.__qualname__:
        message = f"there is a learner '{name}' already"
        raise InputError(message, where="register_learner", hint="choose another name")
    _ADDED[name] = (make, settings)


def learner_names(world: World | None = None, kind: str | None = None) -> list[str]:
    """Return the names of all learners, or of those that can train in ``world`` of a system."""
    table = _shipped()
    if kind is not None:
        kinds = system_of(kind).learner_kinds
        table = {name: entry for name, entry in table.items() if entry["kind"] in kinds}
    if world is not None:
        sizes = _fields(world)
        table = {
            name: entry
            for name, entry in table.items()
            if {*entry.get("world", {}), *entry.get("train", {})} <= sizes
            and (entry["kind"] != INDEPENDENT or "devices" in sizes)
        }
    return [*table, *_ADDED]


def build_learner(
    name: str, scenario: Scenario[Any, Any, Any], world: World, total_steps: float
) -> LearnerPlan:
    """Return a learner by name with the scenario's ``[learner]`` table on top.

    Raises:
        InputError: no learner has that name (the nearest is offered), or a setting is unknown.
    """
    played = world_of_learner(name, world, scenario.world.kind)
    make, settings, apart = _entry(name)
    training = settings.pop("train", {})
    settings.pop("world", None)
    if "total_steps" in _settings(make):
        settings["total_steps"] = float(total_steps)
    for own, theirs in _FROM_WORLD.items():
        if own in _settings(make) and theirs in _fields(world):
            settings.setdefault(own, getattr(world, theirs))
    settings |= scenario.learner
    _check_settings(name, make, settings, 1 if apart else getattr(world, "devices", 1))
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    learner = make(**settings)
    return LearnerPlan(
        name=name,
        learner=Independent(inner=learner) if apart else learner,
        train_world=_changed(played, training),
        world=played,
    )


def world_of_learner(name: str, world: World, kind: str) -> World:
    """Return a system's world as a learner by name plays in it, whatever the learner's sizes.

    Raises:
        InputError: no learner of the system has that name; the nearest is offered.
    """
    names = learner_names(world, kind)
    if name not in names:
        of = f" for the system '{kind}'" if name in learner_names() else ""
        raise InputError(f"there is no learner '{name}'{of}", hint=nearest(name, names))
    return _changed(world, _entry(name)[1].get("world", {}))


_ADDED: dict[str, tuple[type, dict[str, Any]]] = {}


def _entry(name: str) -> tuple[type | Around, dict[str, Any], bool]:
    """Return the class, its settings, and whether every device has a learner of its own."""
    if name in _ADDED:
        return _ADDED[name][0], dict(_ADDED[name][1]), False
    settings = dict(_shipped()[name])
    kind = settings.pop("kind")
    if kind == INDEPENDENT:
        return LEARNER_KINDS[settings.pop("inner")], settings, True
    return LEARNER_KINDS[kind], settings, False


@functools.cache
def _shipped() -> dict[str, dict[str, Any]]:
    text = (resources.files("edgewright.systems") / "learners.toml").read_text()
    return tomllib.loads(text)


def _fields(thing: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(thing)}


def _own(make: type) -> dict[str, tuple[Any, Any]]:
    """Return default and type of every field of a learner that has a default."""
    hints = typing.get_type_hints(make)
    fields = dataclasses.fields(make)
    missing = dataclasses.MISSING
    fields = [f for f in fields if f.metadata.get("setting", True)]
    return {f.name: (f.default, hints[f.name]) for f in fields if f.default is not missing}


def _settings(make: type | Around) -> dict[str, tuple[Any, Any]]:
    """Return default and type of everything that may be set."""
    return {**_own(make.inner), **_own(make.make)} if isinstance(make, Around) else _own(make)


def _changed(world: Any, changes: dict[str, Any]) -> World:
    return dataclasses.replace(world, **changes) if changes else world


def _check_settings(name: str, make: type | Around, settings: dict[str, Any], devices: int) -> None:
    """Refuse settings that the learner does not have, or that do not fit each other.

    Args:
        devices: whose samples go into one update of a network.
    """
    fields = _settings(make)
    for key, value in settings.items():
        where = f"learner.{key}"
        if key not in fields:
            raise InputError(
                f"'{name}' has no such setting", where=where, hint=renamed.hint(key, fields)
            )
        default, hint = fields[key]
        wanted = list if isinstance(default, tuple) else type(default)
        fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and wanted is not bool):
            message = f"{value!r} is not of the kind of the default {default!r}"
            raise InputError(message, where=where, hint="give a value of the same kind")
        if wanted in (int, float) and not 0 <= value < float("inf"):
            message = f"{value!r} is negative or not finite"
            raise InputError(message, where=where, hint="give a positive value")
        sizes = value if isinstance(value, list) else [value] if wanted is int else []
        if any(not isinstance(size, int) or size < 1 for size in sizes):
            raise InputError(
                f"a size must be a whole number from 1; got {value!r}", where=where, hint="e.g. 64"
            )
        choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
        if choices and value not in choices:
            raise InputError(
                f"there is no {value!r}", where=where, hint=nearest(str(value), choices)
            )
        if key in SHARES and not isinstance(value, list) and value > 1:
            raise InputError(f"{value!r} is above 1", where=where, hint="give a value from 0 to 1")
    sizes = {name: fields[name][0] if name in fields else 1 for name in _SIZES}
    sizes |= {name: settings[name] for name in _SIZES if name in settings}
    batch, size = sizes["num_envs"] * sizes["rollout_steps"] * devices, sizes["batch_size"]
    samples = "num_envs * rollout_steps" + (" * devices" if devices > 1 else "")
    if batch > MAX_SAMPLES:
        message = f"{samples} = {batch} is above {MAX_SAMPLES}"
        raise InputError(message, where="learner.rollout_steps", hint="lower one of them")
    if make is PPO and (size < 1 or batch % size):
        message = f"{size} does not divide {samples} = {batch}"
        raise InputError(message, where="learner.batch_size", hint="choose a divisor")
