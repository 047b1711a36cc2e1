"""Gymnasium ids of the shipped scenarios. Light: ``import gymnasium`` runs this entry point."""

from __future__ import annotations

import gymnasium

from edgewright.systems.presets import scenario_names

NAMESPACE = "Edgewright"
VERSION = 0
"""Raised when a scenario gives other numbers for the same seed."""

_MAKERS = "edgewright.adapters.gymnasium"


def identifier(scenario: str) -> str:
    """Return the id of a shipped scenario, e.g. ``Edgewright/aigc-heavy-v0``."""
    return f"{NAMESPACE}/{scenario}-v{VERSION}"


def register() -> None:
    """Register every shipped scenario that Gymnasium does not know yet."""
    for name in scenario_names():
        if identifier(name) not in gymnasium.registry:
            gymnasium.register(
                id=identifier(name),
                entry_point=f"{_MAKERS}:make",
                vector_entry_point=f"{_MAKERS}:make_vec",
                kwargs={"scenario": name},
            )
