"""Write a scenario as a TOML file that holds every value."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from edgewright.scenarios.load import AnyScenario, check, resolved

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def scenario_text(scenario: AnyScenario, comments: Mapping[str, str] = {}) -> str:
    """Return a scenario as TOML; :func:`edgewright.scenarios.load.load` reads the same back.

    Args:
        comments: a text by dotted key, put behind the value.
    """
    tree = {key: value for key, value in resolved(scenario).items() if value is not None}
    plain = {key: value for key, value in tree.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_value(value)}" for key, value in plain.items()]
    for name, table in tree.items():
        if not isinstance(table, dict) or not table:
            continue
        lines += ["", f"[{name}]"]
        for key, value in table.items():
            if value is None:
                continue
            comment = comments.get(f"{name}.{key}")
            lines.append(f"{_key(key)} = {_value(value)}" + (f"  # {comment}" if comment else ""))
    return "\n".join(lines) + "\n"


def changed_scenario(scenario: AnyScenario, changes: Mapping[str, Any], where: str) -> AnyScenario:
    """Return a scenario with other values by dotted key, such as ``"params.server_ghz"``.

    Raises:
        InputError: a value breaks the schema.
    """
    tree = dataclasses.asdict(scenario)
    for dotted, value in changes.items():
        table, _, key = dotted.partition(".")
        tree[table][key] = value
    return check(tree, where)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        entries = (f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None)
        return "{ " + ", ".join(entries) + " }" if value else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)


__all__ = ["changed_scenario", "scenario_text"]
