"""A reference page for every system, made from the system when the documentation is built."""

from __future__ import annotations

from typing import Any

from mkdocs.structure.files import File

from edgewright.reporting.reference import system_facts, system_page
from edgewright.systems.registry import systems


def _address(kind: str) -> str:
    return f"reference/systems/{kind}.md"


def on_config(config: Any) -> Any:
    """Add the pages to the navigation, below the other reference pages."""
    pages = {section: pages for entry in config.nav for section, pages in entry.items()}
    pages["Reference"].append({"Systems": [{kind: _address(kind)} for kind in sorted(systems())]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the files of the pages."""
    for kind in sorted(systems()):
        page = system_page(system_facts(kind))
        files.append(File.generated(config, _address(kind), content=page))
    return files
