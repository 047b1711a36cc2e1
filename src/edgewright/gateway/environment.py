"""Let variables of the environment replace keys of ``gateway.toml``.

There is one for each key of a table that is not an array, and their names follow from the keys:
``EDGEWRIGHT_GATEWAY_LOG_PATH`` is ``path`` of ``[log]``.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from typing import Any

from edgewright.core.errors import InputError, nearest
from edgewright.gateway.settings import Config

PREFIX = "EDGEWRIGHT_GATEWAY_"
OPTIONS = ("CONFIG", "CHECK", "WORKERS")
"""Options of the command line, whose variables have the same prefix."""


def variables() -> dict[str, tuple[str, str]]:
    """Return the table and the key that each variable stands for."""
    result = {}
    hints = typing.get_type_hints(Config)
    for field in dataclasses.fields(Config):
        kinds = [hints[field.name], *typing.get_args(hints[field.name])]
        tables = [one for one in kinds if dataclasses.is_dataclass(one)]
        if not tables or typing.get_origin(hints[field.name]) is tuple:
            continue
        for key in dataclasses.fields(tables[0]):
            result[f"{PREFIX}{field.name}_{key.name}".upper()] = field.name, key.name
    return result


def overlaid(content: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Put the values of variables into the content of a file; return those that were there.

    A value is written as in TOML; a text needs no quotes.

    Raises:
        InputError: a variable with the prefix stands for nothing.
    """
    known, given = variables(), {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX) in OPTIONS:
            continue
        if name not in known:
            message = "must be the variable of a key"
            raise InputError(message, where=name, hint=nearest(name, known))
        table, key = known[name]
        below = content.setdefault(table, {})
        if isinstance(below, dict):
            below[key] = _value(text, table, key)
            given[name] = text
    return given


def _value(text: str, table: str, key: str) -> Any:
    """Return a value of TOML; the text itself where the key holds one or it is none."""
    hints = typing.get_type_hints(Config)[table]
    kinds = [hints, *typing.get_args(hints)]
    record = next(one for one in kinds if dataclasses.is_dataclass(one))
    kind = typing.get_type_hints(record)[key]
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text
    optional = typing.get_origin(kind) is types.UnionType and str in typing.get_args(kind)
    is_text = kind is str or optional
    return text if is_text and not isinstance(value, str) else value
