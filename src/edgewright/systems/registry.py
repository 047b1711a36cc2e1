"""The systems there are: those that come with the package, and those that a plug-in adds."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from edgewright.core.errors import InputError, nearest
from edgewright.systems.presets import shipped_kinds
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
    _systems[system.kind] = system


def systems() -> dict[str, System]:
    """Return all systems by their kind."""
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
        message = f"there is no system of kind {kind!r}"
        hint = nearest(str(kind), known) + "; a kind of your own needs --plugin"
        raise InputError(message, where=where, hint=hint)
    return known[kind]


def load_plugin(name: str) -> None:
    """Import a module, or run a Python file, that registers systems and learners.

    Raises:
        InputError: it cannot be found or imported.
    """
    try:
        if not name.endswith(".py"):
            importlib.import_module(name)
            return
        path = Path(name)
        if not path.is_file():
            raise InputError("there is no such file", where=f"--plugin {name}", hint="see the path")
        module_name = f"edgewright_plugin_{path.stem}"
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError) as error:
        hint = "name a module that can be imported, or a file that ends in .py"
        raise InputError(
            f"cannot be imported: {error}", where=f"--plugin {name}", hint=hint
        ) from None


__all__ = ["load_plugin", "register_system", "system_of", "systems"]
