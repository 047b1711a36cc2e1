"""Register and find systems, those of the package and those of plug-ins."""

from __future__ import annotations

import importlib
from pathlib import Path

from edgewright.core.errors import InputError, nearest
from edgewright.systems.plugins import load_plugins
from edgewright.systems.presets import add_folder, shipped_kinds
from edgewright.systems.system import System

_systems: dict[str, System] = {}


def register_system(system: System) -> None:
    """Make a system known to every command of this process.

    Raises:
        InputError: another system has that kind.
    """
    if system.kind in shipped_kinds():
        message = f"there is a system of kind '{system.kind}' already"
        raise InputError(message, where="register_system", hint="choose another kind")
    if system.presets is not None:
        add_folder(system.kind, Path(system.presets))
    _systems[system.kind] = system


def systems() -> dict[str, System]:
    """Return all systems by their kind."""
    load_plugins()
    for kind in shipped_kinds():
        if kind not in _systems:
            _systems[kind] = importlib.import_module(f"edgewright.systems.{kind}.system").SYSTEM
    return dict(_systems)


def system_of(kind: object, where: str = "world.kind") -> System:
    """Return the system of a kind.

    Raises:
        InputError: there is none; the nearest is offered.
    """
    known = systems()
    if not isinstance(kind, str) or kind not in known:
        message = f"unknown kind of system {kind!r}"
        hint = nearest(str(kind), known) + "; a kind of your own needs --plugin"
        raise InputError(message, where=where, hint=hint)
    return known[kind]


__all__ = ["register_system", "system_of", "systems"]
