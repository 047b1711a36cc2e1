"""Gymnasium ids of the shipped scenarios. Light: ``import gymnasium`` runs this entry point."""

from __future__ import annotations

import tomllib
from importlib import resources

import gymnasium

NAMESPACE = "Edgewright"
VERSION = 0
"""Raised when a scenario gives other numbers for the same seed."""

_MAKERS = "edgewright.adapters.gymnasium"


def identifier(scenario: str) -> str:
    """Return the id of a shipped scenario, e.g. ``Edgewright/aigc-heavy-v0``."""
    return f"{NAMESPACE}/{scenario}-v{VERSION}"


def register() -> None:
    """Register every shipped scenario that Gymnasium does not know yet."""
    for name in _names():
        if identifier(name) not in gymnasium.registry:
            gymnasium.register(
                id=identifier(name),
                entry_point=f"{_MAKERS}:make",
                vector_entry_point=f"{_MAKERS}:make_vec",
                kwargs={"scenario": name},
            )


def _names() -> list[str]:
    """Return the scenarios in the package: those files that fill in common numbers."""
    folder = resources.files("edgewright.scenarios") / "data"
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    trees = {name: tomllib.loads((folder / name).read_text()) for name in files}
    return [name.removesuffix(".toml") for name, tree in trees.items() if "extends" in tree]
