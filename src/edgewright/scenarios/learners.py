"""Build learners by name from TOML settings, with the scenario's ``[learner]`` table on top.

General learners are in ``agents/learners.toml``, those of a system in ``learners.toml`` of its
folder, those of a plug-in in the file that its system names or in :func:`register_learner`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from edgewright.agents.rule_level import RuleLevel
from edgewright.core.errors import InputError, nearest
from edgewright.core.protocols import World
from edgewright.core.text import parse_toml, read_text
from edgewright.loops.evaluate import full_information
from edgewright.scenarios.learner_design import Design, slot_of
from edgewright.specs.schema import Scenario
from edgewright.systems.horizon import (
    HorizonParams,
    HorizonWorld,
    OnHorizon,
    with_phase,
    without_phase,
)
from edgewright.systems.problem import LearnerPlan, Problem
from edgewright.systems.registry import system_of, systems

_OF_TABLE = ("learner", "extends", "around", "world", "train", "objective")
"""Keys of an entry that are not settings of the learner."""

HORIZON = "horizon"
"""The objective that is scored, see ``systems.horizon``; without it rewards are discounted only."""

RULE = "rule"
"""What takes the place of a learner at a level where a rule decides."""

_registered: dict[str, dict[str, Any]] = {}


def register_learner(name: str, make: type, **settings: Any) -> None:
    """Register ``make(**settings)``, a record that satisfies the learner protocol, as ``name``.

    Its fields become settings that a scenario's ``[learner]`` table may change. The name is known
    to every command of this process; name the file that calls this with ``--plugin``.

    Raises:
        InputError: a shipped learner, or another class, has that name.
    """
    known = _registered.get(name, {"learner": make})["learner"]
    shipped = {one for kind in systems() for one in _table(kind)}
    if name in shipped or known.__qualname__ != make.__qualname__:
        message = f"there is a learner '{name}' already"
        raise InputError(message, where="register_learner", hint="choose another name")
    _registered[name] = {"learner": make, **settings}


def learner_names(problem: Problem | None = None) -> list[str]:
    """Return the names of all learners, or of those that can learn a problem."""
    if problem is None:
        names = [name for kind in systems() for name in _table(kind)]
        return [*dict.fromkeys([*names, *_registered])]
    return [name for name in _entries(problem.kind) if not _misfit(name, problem)]


def build_learner(
    name: str, scenario: Scenario[Any, Any, Any], problem: Problem, total_steps: float
) -> LearnerPlan:
    """Return a learner by name with the scenario's ``[learner]`` table on top.

    Raises:
        InputError: no learner has that name (the nearest is offered), it cannot learn the problem,
            or a setting is unknown or does not fit the others.
    """
    world: Any = world_of_learner(name, problem)
    entry = _entry(name, problem.kind)
    defaults = system_of(problem.kind).learner_defaults(problem.world)
    kinds, settings = _kinds(scenario.learner)
    design = _design(name, problem.kind, kinds).with_defaults(defaults)
    design = _with_total_steps(design, total_steps).with_settings(settings)
    design.check(name)
    learner = _fitted(design.made(), world, problem.params)
    if kinds:
        _check_fit(name, learner, world, problem.params)
    learner = _with_rules(learner, dataclasses.replace(problem, world=world))
    learner = _with_guide(learner, problem)
    check_sizes = getattr(learner, "check_sizes", None)
    if check_sizes is not None:
        check_sizes(world.observation_space(problem.params), world.action_space(problem.params))
    if entry.get("objective") != HORIZON:
        return LearnerPlan(name, learner, _changed(world, entry.get("train")), world)
    missed = float(scenario.evaluation.post_termination_reward)
    trained = _changed(without_phase(world), entry.get("train"))
    trained = with_phase(trained, problem.params, problem.horizon)
    return LearnerPlan(
        name,
        learner,
        world=world,
        train_world=HorizonWorld(trained, problem.horizon),
        train_params=HorizonParams(inner=problem.params, gamma=learner.gamma, missed=missed),
    )


def _with_total_steps(design: Design, total_steps: float) -> Design:
    """Return the design with the steps of the training in every class that asks for them."""
    inner = design.inner
    if design.nested:
        inner = {field: _with_total_steps(part, total_steps) for field, part in inner.items()}
    known = {"total_steps": float(total_steps)} if "total_steps" in design.fields else {}
    return dataclasses.replace(design, inner=inner, settings={**design.settings, **known})


def _fitted(learner: Any, world: World, params: Any) -> Any:
    """Return a learner of two time scales with those of its world; any other as it is."""
    for_world = getattr(learner, "for_world", None)
    return learner if for_world is None else for_world(world, params)


def _kinds(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the learners that tables name as their ``kind``, by table, and all other settings."""
    tables = {key: one for key, one in settings.items() if isinstance(one, dict) and "kind" in one}
    rest = {
        key: {k: v for k, v in value.items() if k != "kind"} if key in tables else value
        for key, value in settings.items()
    }
    return {key: table["kind"] for key, table in tables.items()}, rest


def _check_fit(name: str, learner: Any, world: World, params: Any) -> None:
    """Check a learner whose parts the scenario chose.

    Raises:
        InputError: it cannot learn with these spaces.
    """
    misfit = getattr(learner, "misfit", None)
    reason = misfit(world.observation_space(params), world.action_space(params)) if misfit else ""
    if reason:
        message, hint = f"'{name}' cannot learn here: {reason}", "change the kind of a level"
        raise InputError(message, where="learner", hint=hint)


def _with_rules(learner: Any, problem: Problem) -> Any:
    """Return a learner of two levels with the rules that it names; any other as it is.

    Raises:
        InputError: the system has no rule of that name.
    """
    with_rules = getattr(learner, "with_rules", None)
    if with_rules is None:
        return learner

    def rule_of(level: str, name: str) -> Any:
        make, where = system_of(problem.kind).level_rule, f"learner.{level}.name"
        if make is None:
            message = f"the system '{problem.kind}' has no rules for one level"
            raise InputError(message, where=where, hint="give the level another kind")
        try:
            return make(level, name, problem)
        except InputError as error:
            raise InputError(error.message, where=where, hint=error.hint) from None

    return with_rules(rule_of)


def _with_guide(learner: Any, problem: Problem) -> Any:
    """Return a learner beside the rule that it names; any other as it is.

    Raises:
        InputError: the system has no rule of that name that could guide.
    """
    with_guide = getattr(learner, "with_guide", None)
    if with_guide is None:
        return learner
    system = system_of(problem.kind)

    def policy_of(name: str) -> Any:
        entry = system.policy(name, problem)
        if entry is None or entry.policy is None or entry.observe_fn is not full_information:
            message = f"guide must be a rule of '{problem.kind}'; got '{name}'"
            hint = nearest(name, system.policy_names(problem))
            raise InputError(message, where="learner.guide", hint=hint)
        return OnHorizon(rule=entry.policy)

    return with_guide(policy_of)


def world_of_learner(name: str, problem: Problem) -> World:
    """Return the world of a problem as a learner by name plays in it.

    Raises:
        InputError: no learner of the system has that name (the nearest is offered), or it cannot
            learn the problem.
    """
    entries = _entries(problem.kind)
    if name not in entries:
        of = f" for the system '{problem.kind}'" if name in learner_names() else ""
        hint = nearest(name, learner_names(problem))
        raise InputError(f"unknown learner '{name}'{of}", hint=hint)
    reason = _misfit(name, problem)
    if reason:
        hint = f"learners that fit: {', '.join(learner_names(problem))}"
        raise InputError(f"'{name}' cannot learn here: {reason}", where="learner", hint=hint)
    return _played(name, problem)


def learner_settings(name: str, kind: str) -> dict[str, Any]:
    """Return what a learner of a system sets otherwise than its class, and changes in its world."""
    entry = _entry(name, kind)
    changes = {key: entry[key] for key in ("world", "train", "objective") if key in entry}
    return _design(name, kind).all_settings() | changes


def learner_class(name: str, kind: str) -> type:
    """Return the class of a learner of a system, the outer one of two."""
    return _design(name, kind).make


def _entries(kind: str) -> dict[str, dict[str, Any]]:
    added = _registered if system_of(kind).general_learners else {}
    return {**_table(kind), **added}


@functools.cache
def _general() -> dict[str, dict[str, Any]]:
    return tomllib.loads(
        (resources.files("edgewright.agents") / "learners.toml").read_text(encoding="utf-8")
    )


def _table(kind: str) -> dict[str, dict[str, Any]]:
    """Return the learners that come with a system, by name: general ones first."""
    system = system_of(kind)
    file: Traversable = resources.files("edgewright.systems") / kind / "learners.toml"
    if system.learners is not None:
        file = Path(system.learners)
    own = parse_toml(_text(file), str(file)) if file.is_file() else {}
    return {**_general(), **own} if system.general_learners else own


def _text(file: Traversable) -> str:
    return read_text(file) if isinstance(file, Path) else file.read_text(encoding="utf-8")


def _entry(name: str, kind: str) -> dict[str, Any]:
    """Return the settings of a learner, those of what it extends below its own.

    Raises:
        InputError: it extends a learner that does not exist, or itself.
    """
    entries, chain = _entries(kind), [name]
    while "extends" in entries[chain[-1]]:
        above = str(entries[chain[-1]]["extends"])
        if above not in entries or above in chain:
            message = f"'{chain[-1]}' must extend another learner; got '{above}'"
            hint = nearest(above, set(entries) - set(chain))
            raise InputError(message, where=f"learners of '{kind}'", hint=hint)
        chain.append(above)
    return {key: value for one in reversed(chain) for key, value in entries[one].items()}


def _design(name: str, kind: str, kinds: Mapping[str, Any] = {}) -> Design:
    """Return the class of a learner, those of inner ones, and the settings of its entries.

    Args:
        kinds: other learners for parts of it, by field; the entry's settings of those parts go.

    Raises:
        InputError: a class cannot be imported, or a learner or a part does not exist.
    """
    entry = _entry(name, kind)
    make, around = _class(name, entry, kind), entry.get("around", {})
    nested = isinstance(around, dict)
    named = around if nested else {slot_of(make): around}
    for field in kinds:
        if not nested or field not in named:
            message, parts = f"'{name}' has no part '{field}'", sorted(named if nested else ())
            hint = nearest(field, parts) if parts else "leave kind out"
            raise InputError(message, where=f"learner.{field}.kind", hint=hint)
    inner = {field: _inner(name, one, kind) for field, one in {**named, **kinds}.items()}
    settings = {key: value for key, value in entry.items() if key not in (*_OF_TABLE, *kinds)}
    return Design(make, inner, nested).with_settings(settings)


def _class(name: str, entry: dict[str, Any], kind: str) -> type:
    """Return the class that an entry names.

    Raises:
        InputError: it names none, or one that cannot be imported.
    """
    make = entry.get("learner")
    if isinstance(make, str):
        module, _, attribute = make.partition(":")
        try:
            make = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            hint = 'give learner = "module:Class" of a class that can be imported'
            where = f"learners of '{kind}': {name}"
            raise InputError(f"cannot be imported: {error}", where=where, hint=hint) from None
    if not isinstance(make, type):
        hint = 'give learner = "module:Class", or extends = "a learner"'
        message = f"'{name}' must name its class; got {make!r}"
        raise InputError(message, where=f"learners of '{kind}'", hint=hint)
    return make


def _inner(name: str, inner: object, kind: str) -> Design:
    """Return the design of the learner that an entry is put around.

    Raises:
        InputError: there is none of that name, or it is put around another one itself.
    """
    if inner == RULE:
        return Design(RuleLevel)
    entries = _entries(kind)
    if not isinstance(inner, str) or inner not in entries or "around" in _entry(inner, kind):
        message = f"'{name}' must be around a plain learner; got '{inner}'"
        hint = nearest(str(inner), [one for one in entries if "around" not in _entry(one, kind)])
        raise InputError(message, where=f"learners of '{kind}'", hint=hint)
    return _design(inner, kind)


def _misfit(name: str, problem: Problem) -> str:
    """Return why a learner with its default settings cannot learn a problem; empty if it can."""
    entry = _entry(name, problem.kind)
    known = {field.name for field in dataclasses.fields(problem.world)}
    changed = {*entry.get("world", {}), *entry.get("train", {})}
    if not changed <= known:
        return f"its world has no {sorted(changed - known)[0]}"
    world, params = _played(name, problem), problem.params
    learner = _fitted(_design(name, problem.kind).made(), world, params)
    misfit = getattr(learner, "misfit", None)
    if misfit is None:
        return ""
    return misfit(world.observation_space(params), world.action_space(params))


def _played(name: str, problem: Problem) -> Any:
    """Return the world of a problem as a learner that fits plays in it.

    Raises:
        InputError: its entry names an objective that does not exist.
    """
    entry = _entry(name, problem.kind)
    world, objective = _changed(problem.world, entry.get("world")), entry.get("objective")
    if objective is None:
        return world
    if objective != HORIZON:
        message = f"objective must be '{HORIZON}', or left out; got {objective!r}"
        raise InputError(message, where=f"learners of '{problem.kind}': {name}")
    return with_phase(world, problem.params, problem.horizon)


def _changed(world: Any, changes: dict[str, Any] | None) -> World:
    return dataclasses.replace(world, **changes) if changes else world


__all__ = [
    "build_learner",
    "learner_class",
    "learner_names",
    "learner_settings",
    "register_learner",
    "world_of_learner",
]
