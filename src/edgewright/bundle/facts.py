"""Read values of one type from a manifest, and refuse others by their key and value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

from edgewright.bundle.archive import AGAIN
from edgewright.core.errors import InputError

LARGEST = 3.4e38
"""Rows are 32 bits wide: no number of a manifest is larger."""

_SHOWN = 60


class Facts:
    """One table of a manifest, and where it is, e.g. ``interface.fields[2]``."""

    def __init__(self, content: Any, path: str, where: str) -> None:
        self.path, self.where = path, where
        if not isinstance(content, dict):
            self._wrong("", content, "no table")
        self.content: Mapping[str, Any] = content

    def text(self, key: str) -> str:
        """Return a text."""
        value = self._value(key)
        return value if isinstance(value, str) else self._wrong(key, value, "no text")

    def name(self, key: str) -> str:
        """Return a text that is not empty."""
        return self.text(key) or self._wrong(key, "", "no name")

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self._value(key)
        return (
            value if isinstance(value, bool) else self._wrong(key, value, "neither true nor false")
        )

    def number(self, key: str) -> float:
        """Return a number that is finite in 32 bits."""
        return self._number(key, self._value(key))

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return several such numbers."""
        return tuple(self._number(f"{key}[{n}]", one) for n, one in enumerate(self._list(key)))

    def sizes(self, key: str, most: int) -> tuple[int, ...]:
        """Return whole numbers from 1, whose product is ``most`` or less."""
        result = self._list(key)
        for n, one in enumerate(result):
            if type(one) is not int or not 1 <= one <= most:
                self._wrong(f"{key}[{n}]", one, f"no whole number from 1 to {most}")
        if math.prod(result) > most:
            self._wrong(key, result, f"more than {most} entries")
        return tuple(result)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return several texts."""
        result = self._list(key)
        for n, one in enumerate(result):
            if not isinstance(one, str):
                self._wrong(f"{key}[{n}]", one, "no text")
        return tuple(result)

    def one_of(self, key: str, allowed: tuple[str, ...]) -> Any:
        """Return a text that is one of those ``allowed``."""
        value = self._value(key)
        return value if value in allowed else self._wrong(key, value, f"none of {allowed}")

    def table(self, key: str) -> Facts:
        """Return a table inside."""
        return Facts(self._value(key), self._inside(key), self.where)

    def tables(self, key: str) -> list[Facts]:
        """Return a list of tables inside."""
        path = self._inside(key)
        return [Facts(x, f"{path}[{n}]", self.where) for n, x in enumerate(self._list(key))]

    def refuse(self, key: str, message: str) -> NoReturn:
        """Raise what says what is wrong with a key."""
        message = f"the manifest's '{self._inside(key)}' cannot be used: {message}"
        raise InputError(message, where=self.where, hint=AGAIN)

    def _value(self, key: str) -> Any:
        return self.content[key] if key in self.content else self.refuse(key, "it is missing")

    def _list(self, key: str) -> list[Any]:
        value = self._value(key)
        return value if isinstance(value, list) else self._wrong(key, value, "no list")

    def _number(self, key: str, value: Any) -> float:
        if type(value) not in (int, float) or not -LARGEST <= value <= LARGEST:
            self._wrong(key, value, "no finite number of 32 bits")
        return float(value)

    def _wrong(self, key: str, value: Any, message: str) -> NoReturn:
        shown = "" if isinstance(value, int) and abs(value) > LARGEST else repr(value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        self.refuse(key, f"{shown or 'it'} is {message}")

    def _inside(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path and key else self.path or key
