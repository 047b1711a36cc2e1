"""The reference page of a system, made from the system itself: one of yours has one too."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgewright.core.errors import InputError
from edgewright.core.spaces import Box, Discrete, Simplex
from edgewright.nets.actions import parts_of
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.learners import learner_class, learner_names, learner_settings
from edgewright.scenarios.load import load, schema_of
from edgewright.scenarios.policies import baseline
from edgewright.systems.presets import presets_of
from edgewright.systems.registry import system_of
from edgewright.systems.system import System

Row = dict[str, Any]


def system_facts(kind: str, data: str | None = None) -> dict[str, Any]:
    """Return what there is to know of a system, as plain data.

    Observations, actions, policies and learners are those of its first scenario that can be built
    without recordings.

    Args:
        data: folder of recordings.

    Raises:
        InputError: the system is unknown.
    """
    system = system_of(kind, where="SYSTEM")
    facts: dict[str, Any] = {
        "kind": kind,
        "scenarios": presets_of(kind),
        "metrics": [dataclasses.asdict(metric) for metric in system.metrics],
        "keys": _keys(kind),
    }
    if not facts["scenarios"]:
        return facts
    for scenario in facts["scenarios"]:
        try:
            problem = build(load(scenario), data)
        except InputError:  # it is driven by recordings, and none are named
            continue
        return {**facts, "example": scenario, **_of_problem(system, problem)}
    return facts


def _of_problem(system: System, problem: Problem) -> dict[str, list[Row]]:
    world, params = problem.world, problem.params
    space = world.observation_space(params)
    features = [
        {
            "name": feature.name,
            "unit": feature.unit,
            "about": feature.about,
        }
        for feature in space.features
    ]
    plain = space.names or [f"feature_{n}" for n in range(space.shape[-1])]
    return {
        "observations": features or [{"name": name, "unit": "", "about": ""} for name in plain],
        "actions": [_part(name, part) for name, part in parts_of(world.action_space(params))],
        "policies": [
            {"name": name, "group": baseline(name, problem).group}
            for name in system.policy_names(problem)
        ],
        "learners": [
            {
                "name": name,
                "class": learner_class(name, problem.kind).__name__,
                "settings": learner_settings(name, problem.kind),
            }
            for name in learner_names(problem)
        ],
    }


def _part(name: str, part: Any) -> Row:
    what = {"Bits": "0 or 1", "Discrete": "an index", "Box": "numbers", "Simplex": "shares"}
    row: Row = {"name": name, "shape": list(part.shape), "what": what[type(part).__name__]}
    if isinstance(part, Discrete):
        row["what"] = f"0 to {part.n - 1}"
    elif isinstance(part, Simplex):
        row["what"] = f"shares that sum to {'at most one' if part.at_most else 'one'}"
    elif isinstance(part, Box):
        low, high = (end.ravel() for end in part.bounds)
        row["what"] = f"{low.min():g} to {high.max():g} {part.unit}".rstrip()
    return row


def _keys(kind: str) -> list[Row]:
    """Return the keys of its own tables of a scenario file: what JSON schema says of them."""
    schema = schema_of(kind)
    rows = []
    for table in ("world", "params", "streams"):
        described = schema["properties"].get(table, {})
        name = described.get("$ref", "").rsplit("/", 1)[-1]
        described = schema["$defs"].get(name, described)
        for key, facts in described.get("properties", {}).items():
            rows.append({"key": f"{table}.{key}", "values": _values(facts)})
    return rows


def _values(facts: dict[str, Any]) -> str:
    if "enum" in facts or "const" in facts:
        return ", ".join(repr(value) for value in facts.get("enum", [facts.get("const")]))
    if "oneOf" in facts:
        return "a process, as a table with `kind`"
    if "anyOf" in facts:
        return " or ".join(dict.fromkeys(_values(one) for one in facts["anyOf"]))
    if "$ref" in facts:
        return facts["$ref"].rsplit("/", 1)[-1]
    if facts.get("type") == "array":
        return f"list of {_values(facts.get('items', {}))}"
    text = str(facts.get("type", "any"))
    for word, sign in (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<=")):
        text += f", {sign} {facts[word]:g}" if word in facts else ""
    return text


def system_page(facts: dict[str, Any]) -> str:
    """Return the facts of a system as a page of Markdown."""
    columns = {
        "observations": ("name", "unit", "about"),
        "actions": ("name", "shape", "what"),
        "policies": ("name", "group"),
        "learners": ("name", "class", "settings"),
        "metrics": ("name", "unit", "better"),
        "keys": ("key", "values"),
    }
    lines = [f"# System `{facts['kind']}`", ""]
    lines += ["Scenarios: " + (", ".join(f"`{n}`" for n in facts["scenarios"]) or "none"), ""]
    if "example" in facts:
        lines += [
            f"Observations, actions, policies and learners are those of `{facts['example']}`.",
            "",
        ]
    for title, names in columns.items():
        rows = facts.get(title, [])
        if rows:
            lines += [f"## {title.capitalize()}", "", _row(names), _row(["---"] * len(names))]
            lines += [_row([_cell(row[name]) for name in names]) for row in rows] + [""]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"`{key} = {one!r}`" for key, one in value.items())
    if isinstance(value, list):
        return " x ".join(map(str, value)) or "one"
    return str(value).replace("|", "\\|")


def _row(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


__all__ = ["system_facts", "system_page"]
