"""Read a table of TOML into a record, key by key, and name what is wrong."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any

from edgewright.core.errors import InputError, nearest

_NOUNS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_SHOWN = 60


def read(kind: type, content: Any, where: str, path: str = "") -> Any:
    """Return a record of ``kind`` with the values of a table.

    Args:
        where: the file, for messages.
        path: keys from the top of the file to this table, for messages.

    Raises:
        InputError: a key is missing or unknown, or its value is of another kind or out of range.
    """
    if type(content) is not dict:
        raise _wrong(content, "a table", where, path or "the file")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in content:
        if name not in fields:
            key_path = f"{where}: {_joined(path, name)}"
            raise InputError("unknown key", where=key_path, hint=nearest(name, fields))
    hints, values = typing.get_type_hints(kind), {}
    for name, field in fields.items():
        below = _joined(path, name)
        if name in content:
            values[name] = _value(content[name], hints[name], field.metadata, where, below)
        elif field.default is field.default_factory is dataclasses.MISSING:
            about = field.metadata["about"]
            raise InputError("must be given", where=f"{where}: {below}", hint=f"it is {about}")
    return kind(**values)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _value(value: Any, hint: Any, rules: Any, where: str, path: str) -> Any:
    """Return one value as its field holds it."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # TOML has no null: what is there is of the other kind
        return _value(value, parts[0], rules, where, path)
    if origin is tuple:
        if type(value) is not list:
            raise _wrong(value, "an array", where, path)
        return tuple(
            _value(one, parts[0], rules, where, f"{path}[{n}]") for n, one in enumerate(value)
        )
    if origin is dict:
        if type(value) is not dict:
            raise _wrong(value, "a table", where, path)
        return {
            name: _value(one, parts[1], {}, where, _joined(path, name))
            for name, one in value.items()
        }
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return read(hint, value, where, path)
    if hint is Any:
        return value
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise _wrong(value, _NOUNS[hint], where, path)
    _check(value, rules, where, path)
    return value


def _check(value: Any, rules: Any, where: str, path: str) -> None:
    """Refuse a number out of its range, and a text that is none of the choices."""
    if choices := rules.get("choices"):
        if value not in choices:
            hint = nearest(value, choices)
            message = f"must be one of {', '.join(choices)}; got '{value[:_SHOWN]}'"
            raise InputError(message, where=f"{where}: {path}", hint=hint)
        return
    low, high, above = (rules.get(name) for name in ("low", "high", "above"))
    if low is not None and value < low:
        raise _wrong(value, f"at least {low}", where, path)
    if above is not None and value <= above:
        raise _wrong(value, f"greater than {above:g}", where, path)
    if high is not None and value > high:
        raise _wrong(value, f"at most {high}", where, path)


def _wrong(value: Any, rule: str, where: str, path: str) -> InputError:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    hint = "see docs/reference/gateway.md for every key"
    return InputError(f"must be {rule}; got {shown}", where=f"{where}: {path}", hint=hint)
