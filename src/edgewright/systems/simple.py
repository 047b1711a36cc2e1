"""A system of your own from a world, its numbers and a few policies: nothing else to fill in."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax.numpy as jnp

from edgewright.core.errors import InputError
from edgewright.core.protocols import Policy
from edgewright.core.records import Array
from edgewright.loops.evaluate import full_information
from edgewright.specs.inputs import composed, entries
from edgewright.specs.processes import ProcessSpec, process_problems
from edgewright.specs.schema import Inconsistency, Real, Scenario
from edgewright.systems.system import Group, Metric, PolicyEntry, Problem, System

Make = Callable[[Problem], Policy]
Entry = tuple[Group, Make]

_SIZES = (int, bool, str, float)


def plain_system(
    kind: str,
    world: type,
    params: type,
    policies: Mapping[str, Entry],
    *,
    bound: Callable[[Problem, Any, float], Array] | None = None,
    metrics: tuple[Metric, ...] = (),
    presets: str | None = None,
) -> System:
    """Return a system whose scenario tables are read off a world and its numbers.

    ``[world]`` takes the fields of ``world`` (a frozen dataclass of sizes and switches), with their
    defaults; ``[params]`` a number, or a list of numbers, for every field of the record ``params``,
    of which ``horizon_slots`` is one: an episode is as long; ``[streams]`` any process for an input
    of ``world.inputs``, which is the default.

    Args:
        policies: by name, its group (``"rule"`` or ``"oracle"``) and how it is made from the built
            scenario. All know the state and the present inputs. One is called ``random``: the
            zero of the score.
        bound: (built, inputs, missed reward) to an upper bound on the mean reward of each episode.
        metrics: what tables show beside the reward.
        presets: folder of scenario files that are known by name then.

    Raises:
        InputError: ``params`` has no ``horizon_slots``, or no policy is called ``random``.
    """
    numbers = _named_numbers(kind, params, policies)

    def policy(name: str, problem: Problem) -> PolicyEntry | None:
        if name not in policies:
            return None
        group, make = policies[name]
        return PolicyEntry(name, group, make(problem), full_information, problem.world)

    return System(
        kind=kind,
        scenario=Scenario[_structure(kind, world), _numbers(kind, numbers), dict[str, ProcessSpec]],  # pyright: ignore[reportInvalidTypeArguments]
        build=functools.partial(_build, kind, world, params),
        default_policies=tuple(policies),
        policy_names=lambda problem: list(policies),
        policy=policy,
        bound=bound,
        metrics=metrics,
        presets=presets,
        inconsistencies=_inconsistencies,
    )


def _build(kind: str, world: type, params: type, scenario: Any, data: str | None) -> Problem:
    sizes = {f.name: getattr(scenario.world, f.name) for f in dataclasses.fields(world)}
    made = world(**sizes)
    given = dataclasses.asdict(scenario.params)
    values = params(**{name: jnp.asarray(v, jnp.float32) for name, v in given.items()})
    default = made.inputs(values)
    return Problem(
        kind=kind,
        world=made,
        horizon=int(scenario.params.horizon_slots),
        params=values,
        train_stream=composed(scenario, default, values, data, "train"),
        test_stream=composed(scenario, default, values, data, "test"),
    )


def _named_numbers(kind: str, params: type, policies: Mapping[str, Entry]) -> list[str]:
    """Return the names of the numbers.

    Raises:
        InputError: ``params`` has no ``horizon_slots``, or no policy is called ``random``.
    """
    numbers = [field.name for field in dataclasses.fields(params)]
    if "horizon_slots" not in numbers:
        hint = "give it that field: the slots of an episode"
        raise InputError("the field 'horizon_slots' is missing", where=params.__name__, hint=hint)
    if "random" not in policies:
        hint = "add one that draws every action: it is the zero of the score"
        raise InputError("no policy is called 'random'", where=f"system '{kind}'", hint=hint)
    return numbers


def _inconsistencies(scenario: Any) -> list[Inconsistency]:
    named = entries(scenario).items()
    return [message for name, spec in named for message in process_problems(name, spec)]


def _structure(kind: str, world: type) -> Any:
    """Return the dataclass that checks ``[world]``: its kind and the fields of the world."""
    hints = typing.get_type_hints(world)
    fields: list[Any] = [("kind", Literal[kind])]  # pyright: ignore[reportInvalidTypeForm]
    for field in dataclasses.fields(world):
        hint = hints[field.name]
        if hint not in _SIZES and typing.get_origin(hint) is not Literal:
            message = f"'{field.name}' must be a size or a switch; got {hint}"
            hint_text = "numbers and arrays belong to the params; sizes are int, bool, str, Literal"
            raise InputError(message, where=world.__name__, hint=hint_text)
        default = field.default
        known = {} if default is dataclasses.MISSING else {"default": default}
        fields.append((field.name, hint, dataclasses.field(**known)))
    return _checked(f"{kind}-world", fields)


def _numbers(kind: str, names: list[str]) -> Any:
    """Return the dataclass that checks ``[params]``: a number or a list of numbers for each."""
    return _checked(f"{kind}-params", [(name, Real | list[Real]) for name in names])


def _checked(name: str, fields: list[Any]) -> Any:
    title = "".join(part.capitalize() for part in name.replace("-", " ").split())
    return dataclasses.make_dataclass(title, fields, frozen=True, kw_only=True)


__all__ = ["Entry", "plain_system"]
