"""From a name or a TOML file to a checked scenario. Every mistake gets one clear message."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edgewright.core import renamed
from edgewright.core.errors import InputError, nearest
from edgewright.core.text import parse_toml, printable, read_text
from edgewright.specs.placement import PlacementSpec
from edgewright.specs.processes import ProcessSpec
from edgewright.specs.schema import Scenario
from edgewright.systems.plugins import load_plugins
from edgewright.systems.presets import preset_files, scenario_names
from edgewright.systems.registry import system_of, systems

AnyScenario: typing.TypeAlias = Scenario[Any, Any, Any]

_DEEPEST = 8
"""Scenarios that extend each other deeper than this are taken for a circle."""


def shipped() -> list[str]:
    """Return the names of the scenarios that come with the package, sorted."""
    load_plugins()
    return scenario_names()


def load(name_or_path: str, overrides: dict[str, Any] | None = None) -> AnyScenario:
    """Return the scenario of a shipped name or of a TOML file.

    Args:
        name_or_path: e.g. ``"aigc-heavy"`` or ``"my.toml"``.
        overrides: dotted keys and values that replace the file's, e.g. ``{"params.slot_s": 1.0}``.

    Raises:
        InputError: the file is missing or breaks the schema; names the key and the nearest one.
    """
    tree, where = _read(name_or_path, depth=0)
    for dotted, value in (overrides or {}).items():
        _place(tree, dotted, value)
    return check(tree, where)


def check(tree: dict[str, Any], where: str) -> AnyScenario:
    """Return the scenario of a resolved tree; ``where`` names its origin in messages."""
    _refuse_unknown(tree, Scenario, where, "")
    world = tree.get("world")
    if not isinstance(world, dict) or "kind" not in world:
        hint = f"say [world] kind = one of {', '.join(systems())}, or extend a shipped scenario"
        raise InputError("the key 'world.kind' is missing", where=where, hint=hint)
    for key in ("name", "title"):
        text = tree.get(key, "")
        if isinstance(text, str) and not text.isprintable():
            message = f"must hold printable characters; got {printable(text)!r}"
            hint = "leave out line ends, tabs and other control characters"
            raise InputError(message, where=f"{where}: {key}", hint=hint)
    system = system_of(world["kind"], f"{where}: world.kind")
    tree = {"streams": {}, **tree}
    _refuse_unknown(tree, system.scenario, where, "")
    try:
        scenario = TypeAdapter(system.scenario).validate_python(tree, strict=False)
    except ValidationError as error:
        raise _translated(error, where) from None
    for key, message, remedy in system.inconsistencies(scenario):
        raise InputError(message, where=f"{where}: {key}", hint=remedy)
    return scenario


def resolved(scenario: AnyScenario) -> dict[str, Any]:
    """Return the whole scenario as plain data, with nothing left to look up.

    Keys of :data:`LATER_OF_INPUTS` are left out where they are absent.
    """
    tree = dataclasses.asdict(scenario)
    for spec in tree["streams"].values():
        for name in LATER_OF_INPUTS:
            if spec and name in spec and spec[name] is None:
                del spec[name]
    return tree


LATER_OF_INPUTS = ("train_from",)
"""Keys of recorded inputs that came later."""


LATER = {"uplink": "parallel"}
"""Keys of ``[world]`` that came later, with the value that changes nothing. They are left out of
identities, so that a run of an earlier version is still the run of its scenario."""

LATER_NUMBERS = ("device_input_mbit", "device_cycles_per_bit", "device_distance_m", "kappa")
"""Keys of ``[params]`` that came later, and are left out of identities where they are absent."""


def _identified(scenario: AnyScenario) -> dict[str, Any]:
    """Return the scenario as plain data, without keys that came later and change nothing."""
    tree = resolved(scenario)
    for name, value in LATER.items():
        if tree["world"].get(name) == value:
            del tree["world"][name]
    for name in LATER_NUMBERS:
        if name in tree["params"] and tree["params"][name] is None:
            del tree["params"][name]
    return tree


def identity(scenario: AnyScenario) -> str:
    """Return a hash that two scenarios share only if every number is the same."""
    canonical = json.dumps(_identified(scenario), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def training_identity(scenario: AnyScenario) -> str:
    """Return a hash of all that decides a training: not the name, nor how it is evaluated."""
    tree = _identified(scenario)
    for name in ("name", "title", "evaluation", "training"):
        del tree[name]
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of scenario files (before ``extends`` is resolved)."""
    kinds = [schema_of(kind) for kind in sorted(systems())]
    definitions: dict[str, Any] = {}
    for one in kinds:
        definitions |= one.pop("$defs", {})
    return {"title": "Edgewright scenario", "anyOf": kinds, "$defs": definitions}


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON schema of the scenario files of one system."""
    schema = TypeAdapter(systems()[kind].scenario).json_schema()
    schema["title"] = f"Edgewright scenario of kind {kind}"
    tables = {
        "Scenario": schema,
        **{
            name: table
            for name, table in schema["$defs"].items()
            if table.get("type") == "object" and "properties" in table
        },
    }
    for name, table in tables.items():
        table["additionalProperties"] = False
        # With `extends`, only a process of a stream must be given whole.
        if not name.endswith("Spec"):
            table.pop("required", None)
    schema["required"] = ["schema", "name"]
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "A shipped scenario, or a path relative to this file, that fills the rest.",
    }
    return schema


def _read(name_or_path: str, depth: int, beside: Path | None = None) -> tuple[dict[str, Any], str]:
    """Return the merged tree of a file and of what it extends, and what to call it."""
    if depth > _DEEPEST:
        raise InputError("scenarios extend each other in a circle", where=name_or_path)
    text, where, folder = _text(name_or_path, beside, depth)
    tree = parse_toml(text, where)
    base_name = tree.pop("extends", None)
    if base_name is None:
        return tree, where
    if not isinstance(base_name, str):
        raise InputError(f"extends = {base_name!r} is not a name", where=f"{where}: extends")
    base, _ = _read(base_name, depth + 1, folder)
    merged = _merged(base, tree)
    world = merged.get("world")
    kind = world.get("kind") if isinstance(world, dict) else None
    kind = kind if isinstance(kind, str) else None
    known = systems()
    _refuse_unknown(tree, known[kind].scenario if kind in known else Scenario, where, "")
    return merged, where


def _text(name_or_path: str, beside: Path | None, depth: int) -> tuple[str, str, Path | None]:
    load_plugins()
    files = preset_files()
    known = list(files) if depth else shipped()
    if name_or_path in known:
        return files[name_or_path].read_text(encoding="utf-8"), name_or_path, None
    if not name_or_path.endswith(".toml"):
        message = f"unknown scenario '{name_or_path}'"
        now = renamed.SCENARIOS.get(name_or_path)
        hint = f"it is called '{now}' now" if now else nearest(name_or_path, known)
        hint += "; a file of your own ends in .toml"
        raise InputError(message, hint=hint)
    path = Path(name_or_path)
    if beside is not None and not path.is_absolute():
        path = beside / path
    return read_text(path), str(path), path.parent


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``over`` on top: tables merge, a stream's process is replaced whole."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = _merged(base[key], value) if both and "kind" not in value else value
        if key == "world" and both:
            result[key] = {**base[key], **value}
    return result


def _place(tree: dict[str, Any], dotted: str, value: Any) -> None:
    """Set ``tree["a"]["b"]`` for the dotted key ``a.b``, refusing tables that do not exist."""
    *tables, last = dotted.split(".")
    here = tree
    for depth, name in enumerate(tables):
        if name not in here and tables[0] == "learner":
            here[name] = {}
        if not isinstance(here.get(name), dict):
            path = ".".join(tables[: depth + 1])
            raise InputError(
                f"unknown table '{path}'", where=f"--set {dotted}", hint=nearest(name, here)
            )
        here = here[name]
    here[last] = value


def _refuse_unknown(tree: dict[str, Any], schema: Any, where: str, path: str) -> None:
    """Refuse keys that the dataclass does not have, naming the nearest one that it has."""
    hints = _hints(schema)
    for key, value in tree.items():
        if key not in hints:
            hint = renamed.hint(key, hints)
            raise InputError(f"unknown key '{path}{key}'", where=where, hint=hint)
        inner = _table_type(hints[key], value)
        if isinstance(value, dict) and inner is not None:
            _refuse_unknown(value, inner, where, f"{path}{key}.")


def _hints(schema: Any) -> dict[str, Any]:
    """Return the types of a dataclass's fields; those of ``Scenario[A, B, C]`` are filled in."""
    origin = typing.get_origin(schema) or schema
    hints = typing.get_type_hints(origin, include_extras=True)
    filled = dict(zip(getattr(origin, "__parameters__", ()), typing.get_args(schema), strict=False))
    return {key: filled.get(hint, hint) for key, hint in hints.items()}


def _table_type(hint: Any, value: Any) -> type | None:
    """Return the dataclass that checks a table: the field's own, or that of the table's kind."""
    if dataclasses.is_dataclass(hint):
        return typing.cast(type, hint)
    if not isinstance(value, dict):
        return None
    for part in (hint, *typing.get_args(hint)):
        if dataclasses.is_dataclass(part):
            return typing.cast(type, part)
        if part in (ProcessSpec, PlacementSpec):
            for option in _kinds_of(part):
                if typing.get_args(typing.get_type_hints(option)["kind"])[0] == value.get("kind"):
                    return option
    return None


def _kinds_of(spec: Any) -> tuple[type, ...]:
    """Return the dataclasses of a table that has a kind."""
    union = typing.get_args(spec)[0]
    assert isinstance(union, types.UnionType) or typing.get_origin(union) is typing.Union
    return typing.get_args(union)


def _translated(error: ValidationError, where: str) -> InputError:
    """Return the first problem that pydantic found in the words of this project."""
    first = error.errors()[0]
    steps = [str(step) for step in first["loc"]]
    options = (*_kinds_of(ProcessSpec), *_kinds_of(PlacementSpec))
    kinds = {typing.get_args(typing.get_type_hints(k)["kind"])[0] for k in options}
    key = ".".join(
        s for n, s in enumerate(steps)
        if not (s in kinds and n == 2) and not s.startswith(("constrained", "list[", "function-"))
        and not (n == len(steps) - 1 and s in ("float", "int"))
    )  # fmt: skip
    given = first.get("input")
    if first["type"] == "missing":
        return InputError(f"the key '{key}' is missing", where=where, hint="add it")
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        kind = given.get("kind") if isinstance(given, dict) else given
        message = f"unknown kind {kind!r}"
        return InputError(message, where=f"{where}: {key}", hint=nearest(str(kind), kinds))
    shown = repr(given) if len(repr(given)) < 80 else repr(given)[:77] + "..."
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    hint = f"correct {key}; edgewright list --schema prints what every key may hold"
    return InputError(f"{key} = {shown}: {message}", where=where, hint=hint)
