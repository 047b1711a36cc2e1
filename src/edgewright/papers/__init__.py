"""Find studies by name. Each folder below this one holds a study as ``STUDY``.

The name of a study is the path of its folder: ``seppo/trace`` is ``seppo-trace``. A study is
imported when it is asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from edgewright.core.errors import InputError, nearest
from edgewright.studies.study import Study
from edgewright.systems.plugins import load_plugins

_added: dict[str, Study] = {}


def register_study(study: Study) -> None:
    """Make a study known to every command of this process; name its file with ``--plugin``.

    Raises:
        InputError: a shipped study has that name.
    """
    if study.name in _folders():
        message = f"there is a study '{study.name}' already"
        raise InputError(message, where="register_study", hint="choose another name")
    _added[study.name] = study


def study_names() -> list[str]:
    """Return the names of all studies, sorted; those of plug-ins last."""
    load_plugins()
    return [*_folders(), *_added]


def study_named(name: str) -> Study:
    """Return a study by name.

    Raises:
        InputError: there is none of that name; the nearest is offered.
    """
    load_plugins()
    if name in _added:
        return _added[name]
    folders = _folders()
    if name not in folders:
        raise InputError(f"unknown study '{name}'", hint=nearest(name, study_names()))
    return importlib.import_module(folders[name]).STUDY


def _folders(path: Iterable[str] = __path__, prefix: str = "") -> dict[str, str]:
    """Return the module of every shipped study by its name, without importing any."""
    modules: dict[str, str] = {}
    for module in sorted(pkgutil.iter_modules(path), key=lambda module: module.name):
        if module.ispkg:
            name = f"{prefix}{module.name}"
            modules[name.replace("_", "-").replace(".", "-")] = f"{__name__}.{name}"
            inner = [f"{parent}/{module.name}" for parent in path]
            modules |= _folders(inner, f"{name}.")
    return modules


__all__ = ["register_study", "study_named", "study_names"]
