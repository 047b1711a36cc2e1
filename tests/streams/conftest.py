"""Fixtures of the tests of streams: follow the remedy of a refused recording by machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewright.core.errors import InputError
from edgewright.core.text import parse_override

SETTING = re.compile(r'set (?P<key>[\w.]+) = (?P<value>\{[^}]*\}|"[^"]*"|[^\s,;]+)')
COMMAND = re.compile(r": (?P<command>(?:sed|iconv|gunzip|sort) [^;]*)$")
WHERE = re.compile(r"(?P<file>.+?)(?:: line (?P<line>\d+))?$")


@pytest.fixture
def follow() -> Callable[[InputError], dict[str, Any]]:
    """Return what does as the hint of an error says: it edits the file, or returns settings."""
    return _follow


def _setting(error: InputError) -> dict[str, Any]:
    """Return the first setting that the hint of an error names."""
    match = SETTING.search(error.hint)
    assert match, f"no setting in the hint: {error.hint}"
    return dict([parse_override(f"{match['key']}={match['value']}")])


def _follow(error: InputError) -> dict[str, Any]:
    """Do what a hint says to the file, or return the settings that it names."""
    where = WHERE.fullmatch(error.where)
    assert where, error.where
    file = Path(where["file"])
    if SETTING.search(error.hint):
        return _setting(error)
    command = COMMAND.search(error.hint)
    if command:
        text = command["command"].replace("FILE", str(file)).replace("NEW", f"{file}.new")
        subprocess.run(text, shell=True, check=True)
        return {}
    lines = file.read_text().split("\n")
    if "remove the line" in error.hint:
        assert where["line"], "a line is to be removed and none is named"
        del lines[int(where["line"]) - 1]
    elif "exchange their names in the header" in error.hint:
        names = {"latitude": "longitude", "longitude": "latitude"}
        lines[0] = ",".join(names.get(name.lower(), name) for name in lines[0].split(","))
    else:
        raise AssertionError(f"the hint cannot be followed: {error.hint}")
    file.write_text("\n".join(lines))
    return {}
