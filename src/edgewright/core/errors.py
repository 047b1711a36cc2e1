"""Define the errors of the package. No framework is imported here.

EdgewrightError
+- InputError      the input was wrong: file, field, value and remedy; exit code 2
+- CheckFailed     a check or a gate did not pass; exit code 1
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EdgewrightError(Exception):
    """Base of every error raised on purpose."""


class InputError(EdgewrightError):
    """The input was wrong. One message: where, what was given, and the remedy.

    Args:
        message: what is wrong, naming the value.
        where: the file, key or option at fault, e.g. ``"my.toml: params.slot_s"``.
        hint: the remedy, e.g. the nearest valid name.
    """

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        self.message, self.where, self.hint = message, where, hint
        text = f"{where}: {message}" if where else message
        super().__init__(f"{text}\nhint: {hint}" if hint else text)


class CheckFailed(EdgewrightError):
    """A world, policy or learner breaks a law, or a gate did not pass."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a remedy that offers the nearest valid name, or lists them all."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return "valid names: " + ", ".join(names)
