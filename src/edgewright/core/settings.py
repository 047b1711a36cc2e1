"""Define which fields of a learner a file may set, with their types and limits."""

from __future__ import annotations

import dataclasses
import typing
from typing import Annotated, Any

from edgewright.core import renamed
from edgewright.core.errors import InputError, nearest
from edgewright.core.records import Array

Share = Annotated[Array | float, "share"]
"""A number from 0 to 1."""

ShareBelowOne = Annotated[Array | float, "share", "below one"]
"""A number from 0 to less than 1."""

LARGEST, SMALLEST = 1e30, 1e-30
"""Numbers are checked in 64 bits and used in 32: beyond these, a product or a quotient of two of
them would be infinite or zero."""

MAX_COUNT, MAX_SEED = 2**31 - 1, 2**32 - 1
"""Whole numbers are held in 32 bits: a larger seed would play the episodes of a smaller one."""

MAX_SAMPLES = 2**20
"""Samples of one update; the order of minibatches is computed in 32 bits."""


def settings_of(make: type) -> dict[str, tuple[Any, Any]]:
    """Return default and type of every field of ``make`` that may be set.

    Those are the fields with a default, unless their metadata says ``setting = False``.
    """
    hints = typing.get_type_hints(make, include_extras=True)
    return {
        field.name: (field.default, hints[field.name])
        for field in dataclasses.fields(make)
        if field.default is not dataclasses.MISSING and field.metadata.get("setting", True)
    }


def check_settings(
    name: str,
    fields: dict[str, tuple[Any, Any]],
    given: dict[str, Any],
    table: str = "learner",
) -> None:
    """Check the settings of a learner one by one against the types of its fields.

    Args:
        name: of the learner, for messages.
        fields: see :func:`settings_of`.
        table: that holds the settings, for messages.

    Raises:
        InputError: a setting does not exist, or its value has another type or is out of range.
    """
    for key, value in given.items():
        if key not in fields:
            message, hint = f"'{name}' has no such setting", renamed.hint(key, fields)
            raise InputError(message, where=f"{table}.{key}", hint=hint)
        _check(f"{table}.{key}", value, *fields[key])


def _check(where: str, value: Any, default: Any, hint: Any) -> None:
    wanted = list if isinstance(default, tuple) else type(default)
    value = list(value) if isinstance(value, tuple) else value
    fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and wanted is not bool):
        message = f"{value!r} is not of the kind of the default {default!r}"
        raise InputError(message, where=where, hint="give a value of the same kind")
    if wanted in (int, float) and not 0 <= value <= LARGEST:
        message = f"{value!r} is negative, not finite or above {LARGEST:g}"
        hint = "give a positive value" if wanted is int and default else "give 0 or more"
        raise InputError(message, where=where, hint=hint)
    sizes = value if isinstance(value, list) else [value] if wanted is int else []
    least = 0 if type(default) is int and default == 0 else 1  # 0 says: none of them
    if any(type(size) is not int or not least <= size <= MAX_COUNT for size in sizes):
        message = f"a size must be a whole number from {least} to {MAX_COUNT}; got {value!r}"
        raise InputError(message, where=where, hint="e.g. 64")
    choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
    if choices and value not in choices:
        message = f"must be one of {', '.join(map(repr, choices))}; got {value!r}"
        raise InputError(message, where=where, hint=nearest(str(value), choices))
    _check_share(where, value, getattr(hint, "__metadata__", ()))


def _check_share(where: str, value: Any, kind: tuple[str, ...]) -> None:
    if "share" not in kind or isinstance(value, list):
        return
    if "below one" in kind and value >= 1:
        hint = "give a value from 0 to less than 1, e.g. 0.5"
        raise InputError(f"{value!r} is not below 1", where=where, hint=hint)
    if value > 1:
        raise InputError(f"{value!r} is above 1", where=where, hint="give a value from 0 to 1")


def check_samples(learner: Any, agents: tuple[int, ...], batch_size: int | None = None) -> None:
    """Check how many samples one update of a learner takes.

    Args:
        learner: with ``num_envs`` and ``rollout_steps``.
        agents: the axes of the agents whose samples go into one network; ``()`` for one agent.
        batch_size: samples of a minibatch, where it must divide all of them.

    Raises:
        InputError: there are more than :data:`MAX_SAMPLES`, or ``batch_size`` does not divide them.
    """
    devices = agents[0] if agents else 1
    samples = learner.num_envs * learner.rollout_steps * devices
    product = "num_envs * rollout_steps" + (" * devices" if devices > 1 else "")
    if samples > MAX_SAMPLES:
        message = f"{product} = {samples} is above {MAX_SAMPLES}"
        raise InputError(message, where="learner.rollout_steps", hint="lower one of them")
    if batch_size is not None and samples % batch_size:
        message = f"{batch_size} does not divide {product} = {samples}"
        raise InputError(message, where="learner.batch_size", hint="choose a divisor")


__all__ = ["Share", "ShareBelowOne", "check_samples", "check_settings", "settings_of"]
