"""The option ``--min-gain-kept`` of commands that put one policy in the place of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgewright.cli.options import F
from edgewright.core.errors import CheckFailed, InputError


def min_gain_option(begins: str) -> Callable[[F], F]:
    """Return the option; ``begins`` its help."""
    return click.option(
        "--min-gain-kept",
        metavar="SHARE",
        help=f"{begins} (exit code 1) unless at least this share of the gain over the baseline is "
        "kept.",
    )


def share(text: str | None) -> float | None:
    """Return the share that is asked for, if one is.

    Raises:
        InputError: it is not a share.
    """
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 2.0:
        message = f"the share must be a number from 0 to 2; got '{text}'"
        raise InputError(message, where="--min-gain-kept", hint="e.g. 0.9")
    return number


def too_little_gain(gate: dict[str, Any], remedy: str) -> CheckFailed:
    """Return the error of a gate that did not pass."""
    return CheckFailed(
        f"of the parent's gain {gate['gain_kept']:.4f} is kept, at least "
        f"{gate['gain_kept_low']:.4f} with 95 % confidence, and {gate['min_gain_kept']:g} is asked "
        f"for; nothing was written\nhint: {remedy}"
    )


__all__ = ["min_gain_option", "share", "too_little_gain"]
