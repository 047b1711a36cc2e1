"""Stages of compression, as a user writes them: ``prune:0.5,distil:32x32,int8``.

A share of neurons may be followed by the score that ranks them: ``prune:0.5:act``. ``distil``
keeps the denoising loop of a diffusion actor and makes the network in it smaller;
``distil:32x32:plain`` replaces the loop by a network that decides at once.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, cast, get_args

from edgewright.core.errors import InputError, nearest
from edgewright.rules.importance import Score

Kind = Literal["prune", "distil", "sparse", "int8"]

PLAIN = "plain"
EXAMPLE = "e.g. --stages prune:0.5,int8 or distil:32x32"


@dataclasses.dataclass(frozen=True)
class CompressionStage:
    """One step of a compression.

    Attributes:
        text: as the user wrote it.
        share: of the neurons (``prune``) or weights (``sparse``) to be removed.
        widths: of the hidden layers of the network to distil into.
        importance: the score by which neurons are removed (``prune``).
        plain: whether a denoising loop is replaced by a network without one (``distil``).
    """

    kind: Kind
    text: str
    share: float = 0.0
    widths: tuple[int, ...] = ()
    importance: Score = "spread"
    plain: bool = False


def parse_stages(text: str) -> list[CompressionStage]:
    """Return the stages of a list, in its order.

    Raises:
        InputError: a stage is unknown or its value is out of range.
    """
    stages = [_parse(part.strip()) for part in text.split(",") if part.strip()]
    if not stages:
        raise InputError("no stage is named", where="--stages", hint=EXAMPLE)
    return stages


def _parse(text: str) -> CompressionStage:
    name, _, value = text.partition(":")
    if name not in get_args(Kind):
        hint = nearest(name, get_args(Kind))
        raise InputError(f"unknown stage '{name}'", where="--stages", hint=hint)
    if name == "int8":
        if value:
            raise InputError(f"'{text}': int8 takes no value", where="--stages", hint=EXAMPLE)
        return CompressionStage("int8", text)
    if name == "distil":
        value, separator, kind = value.partition(":")
        if separator and kind != PLAIN:
            message = f"'{text}': what follows the widths must be '{PLAIN}'; got '{kind}'"
            raise InputError(message, where="--stages", hint=f"e.g. distil:32x32:{PLAIN}")
        widths = read_widths(value)
        return CompressionStage("distil", text, widths=widths, plain=kind == PLAIN)
    if name == "sparse":
        return CompressionStage("sparse", text, share=_share(text, value))
    value, _, score = value.partition(":")
    if score and score not in get_args(Score):
        hint = nearest(score, get_args(Score))
        raise InputError(f"'{text}': unknown importance '{score}'", where="--stages", hint=hint)
    importance = cast("Score", score or "spread")
    return CompressionStage("prune", text, share=_share(text, value), importance=importance)


def read_widths(value: str, where: str = "--stages") -> tuple[int, ...]:
    """Return the widths of hidden layers from a text like ``64x64``.

    Raises:
        InputError: they are not whole numbers from 1 to 4096.
    """
    try:
        widths = tuple(int(part) for part in value.split("x"))
    except ValueError:
        widths = ()
    if not widths or not all(1 <= width <= 4096 for width in widths):
        message = f"widths must be whole numbers from 1 to 4096, joined by x; got '{value}'"
        raise InputError(
            message, where=where, hint=EXAMPLE if where == "--stages" else "e.g. 64x64"
        )
    return widths


def _share(text: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = math.nan
    if not 0.0 < share < 1.0:
        message = f"'{text}': the share to remove lies between 0 and 1"
        raise InputError(message, where="--stages", hint=EXAMPLE)
    return share
