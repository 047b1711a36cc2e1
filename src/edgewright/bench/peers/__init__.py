"""Measure speed and scores of other libraries beside ours on the same machine."""

from __future__ import annotations

import importlib.util

from edgewright.core.errors import InputError

NEEDED = ("gymnasium", "torch", "stable_baselines3")


def require() -> None:
    """Raise if the extra is missing, before anything of it is imported.

    Raises:
        InputError: Gymnasium, torch or Stable-Baselines3 is not installed.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        message = f"{missing[0]} is not installed"
        raise InputError(
            message, where="edgewright bench libraries", hint="pip install 'edgewright[peers]'"
        )
