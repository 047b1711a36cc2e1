"""Register Gymnasium ids of the shipped scenarios. Light: ``import gymnasium`` runs it."""

from __future__ import annotations

import tomllib

import gymnasium

from edgewright.systems.presets import preset_files, scenario_names

NAMESPACE = "Edgewright"
VERSION = 0
"""Raised when a scenario gives other numbers for the same seed."""

_MAKERS = "edgewright.adapters.gymnasium"


def identifier(scenario: str) -> str:
    """Return the id of a shipped scenario, e.g. ``Edgewright/aigc-heavy-v0``."""
    return f"{NAMESPACE}/{scenario}-v{VERSION}"


def register() -> None:
    """Register every shipped scenario with one decision maker that Gymnasium does not know yet."""
    for name in scenario_names():
        if identifier(name) not in gymnasium.registry and _devices(name) == 1:
            gymnasium.register(
                id=identifier(name),
                entry_point=f"{_MAKERS}:make",
                vector_entry_point=f"{_MAKERS}:make_vec",
                kwargs={"scenario": name},
            )


def _devices(scenario: str) -> int:
    """Return the number of devices of a shipped scenario, from its file and those it extends."""
    files, name = preset_files(), scenario
    while True:
        content = tomllib.loads(files[name].read_text(encoding="utf-8"))
        if "devices" in content.get("world", {}):
            return content["world"]["devices"]
        if content.get("extends") not in files:
            return 1
        name = content["extends"]
