"""Studies by name, of papers and our own; a study is imported when it is asked for."""

from __future__ import annotations

import importlib

from edgewright.core.errors import InputError, nearest
from edgewright.studies.study import Study

MODULES = {
    "seppo": "edgewright.studies.papers.seppo",
    "seppo-trace": "edgewright.studies.papers.seppo_trace",
    "mrl": "edgewright.studies.papers.mrl",
    "fleet": "edgewright.studies.papers.fleet",
}


def study_names() -> list[str]:
    """Return the names of all studies."""
    return list(MODULES)


def study_named(name: str) -> Study:
    """Return a study by name.

    Raises:
        InputError: there is none of that name; the nearest is offered.
    """
    if name not in MODULES:
        raise InputError(f"there is no study '{name}'", hint=nearest(name, MODULES))
    return importlib.import_module(MODULES[name]).STUDY
