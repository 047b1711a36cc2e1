"""Load plug-ins, Python modules that register systems, learners, policies and studies.

A plug-in is named on the command line (``--plugin``), or installed: an entry point of the group
``edgewright.plugins`` names a module. Processes that are started later, the workers of a study and
the children of a benchmark, load the same plug-ins: their names travel in the environment.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

from edgewright.core.errors import InputError

GROUP = "edgewright.plugins"
"""Entry points of this group name modules that are loaded in every process."""

INHERITED = "EDGEWRIGHT_LOADED_PLUGINS"
"""Environment variable: what this process has loaded by name, as a JSON list."""

_state = {"loaded": False}


def load_plugin(name: str) -> None:
    """Import a module, or run a Python file, that registers systems, learners or studies.

    Args:
        name: of a module, or the path of a file that ends in ``.py``.

    Raises:
        InputError: it cannot be found or imported.
    """
    where = f"--plugin {name}"
    if name.endswith(".py"):
        path = Path(name).resolve()
        if not path.is_file():
            hint = "give the path of an existing file, or the name of a module"
            raise InputError("the file must exist", where=where, hint=hint)
        name = str(path)
    try:
        run_file(Path(name)) if name.endswith(".py") else importlib.import_module(name)
    except (ImportError, SyntaxError) as error:
        hint = "name a module that can be imported, or a file that ends in .py"
        raise InputError(f"cannot be imported: {error}", where=where, hint=hint) from None
    names = [*_inherited(), name]
    os.environ[INHERITED] = json.dumps(list(dict.fromkeys(names)))


def load_plugins() -> None:
    """Load installed plug-ins, and those of the process that started this one; once."""
    if _state["loaded"]:
        return
    _state["loaded"] = True  # a plug-in may ask for the systems there are
    for entry in importlib.metadata.entry_points(group=GROUP):
        entry.load()
    for name in _inherited():
        load_plugin(name)


def _inherited() -> list[str]:
    return json.loads(os.environ.get(INHERITED) or "[]")


def run_file(path: Path) -> ModuleType:
    """Return the module of a Python file, run anew."""
    module_name = f"edgewright_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


__all__ = ["load_plugin", "load_plugins", "run_file"]
