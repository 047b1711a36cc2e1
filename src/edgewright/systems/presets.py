"""Find the scenario files of a system by their folder, without importing the system."""

from __future__ import annotations

import pkgutil
from importlib import resources
from importlib.resources.abc import Traversable

import edgewright.systems

_added: dict[str, Traversable] = {}


def shipped_kinds() -> list[str]:
    """Return the kinds of the systems in this package: its folders, sorted."""
    result = pkgutil.iter_modules(edgewright.systems.__path__)
    return sorted(module.name for module in result if module.ispkg)


def add_folder(kind: str, folder: Traversable) -> None:
    """Add the scenario files of a system that a plug-in registers."""
    _added[kind] = folder


def preset_files() -> dict[str, Traversable]:
    """Return the file of every preset by its name, sorted by name.

    A file called as its system (``aigc.toml``) holds common numbers that presets extend.
    """
    root = resources.files("edgewright.systems")
    folders = [root / kind / "presets" for kind in shipped_kinds()] + list(_added.values())
    files = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
    named = {file.name.removesuffix(".toml"): file for file in files if file.name.endswith(".toml")}
    return dict(sorted(named.items()))


def presets_of(kind: str) -> list[str]:
    """Return the names of the scenarios that come with one system, sorted."""
    folder = _added.get(kind, resources.files("edgewright.systems") / kind / "presets")
    files = folder.iterdir() if folder.is_dir() else ()
    names = (file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))
    return sorted(name for name in names if name != kind)


def scenario_names() -> list[str]:
    """Return the names of the scenarios that can be run, sorted: all presets but common numbers."""
    common = {*shipped_kinds(), *_added}
    return [name for name in preset_files() if name not in common]


__all__ = ["add_folder", "preset_files", "presets_of", "scenario_names", "shipped_kinds"]
