"""Arrange simple shapes by the words of a prompt, as a scene that a path tracer can load.

Everything here is plain numbers, so that a scene can be checked without the renderer.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from edgewright.gateway.backends.seeds import seed_of

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.75, 0.06, 0.05),
    "green": (0.08, 0.5, 0.1),
    "blue": (0.06, 0.13, 0.65),
    "yellow": (0.8, 0.65, 0.05),
    "orange": (0.85, 0.32, 0.03),
    "purple": (0.35, 0.08, 0.5),
    "cyan": (0.05, 0.55, 0.6),
    "pink": (0.85, 0.35, 0.45),
    "brown": (0.3, 0.15, 0.06),
    "white": (0.85, 0.85, 0.85),
    "grey": (0.4, 0.4, 0.4),
    "black": (0.03, 0.03, 0.03),
}
"""Linear reflectance of each word for a colour."""

SPHERE, CUBE, CYLINDER = "sphere", "cube", "cylinder"
SHAPES = {
    "sphere": SPHERE,
    "ball": SPHERE,
    "cube": CUBE,
    "box": CUBE,
    "cylinder": CYLINDER,
    "pillar": CYLINDER,
}
"""The shape of each word; a plural is the same word."""

METAL = ("metal", "shiny", "mirror")
"""Words for a surface that reflects; others scatter light evenly."""

MAX_SHAPES = 6
_SPOTS = ((-1.7, 0.3), (0.0, 0.9), (1.7, 0.3), (-0.9, -1.2), (0.9, -1.2), (0.0, -0.2))
_WORD = re.compile(r"[a-z]+")


@dataclasses.dataclass(frozen=True)
class Shape:
    """One shape that stands on the floor.

    Attributes:
        kind: :data:`SPHERE`, :data:`CUBE` or :data:`CYLINDER`.
        at: its middle on the floor, in metres.
        radius: half of its width and of its height, in metres.
        turn: about the vertical, in degrees.
        colour: linear red, green and blue from 0 to 1.
    """

    kind: str
    at: tuple[float, float]
    radius: float
    turn: float
    colour: tuple[float, float, float]
    metal: bool = False


def shapes_of(prompt: str, seed: int | None = None) -> list[Shape]:
    """Return the shapes that a prompt names, each with the colour and surface named before it.

    A prompt without a shape gets three of any kind. The seed says where they stand.

    Args:
        prompt: any text, e.g. ``a red ball and a shiny blue cube``.
        seed: None for a hash of the prompt.
    """
    rng = np.random.default_rng(seed_of(prompt, seed))
    spots = rng.permutation(len(_SPOTS))
    colours = [*COLOURS.values()]
    named: list[tuple[str, tuple[float, float, float] | None, bool]] = []
    colour, metal = None, False
    for word in _WORD.findall(prompt.lower()):
        if word in COLOURS:
            colour = COLOURS[word]
        elif word in METAL:
            metal = True
        elif kind := _kind(word):
            named.append((kind, colour, metal))
            colour, metal = None, False
    if not named:
        kinds = rng.choice(sorted(set(SHAPES.values())), 3)
        named = [(str(kind), colour, metal) for kind in kinds]
    result = []
    for number, (kind, given, reflects) in enumerate(named[:MAX_SHAPES]):
        x, y = _SPOTS[spots[number]]
        shift = rng.uniform(-0.15, 0.15, 2)
        drawn = colours[rng.integers(len(colours))]
        result.append(
            Shape(
                kind=kind,
                at=(x + float(shift[0]), y + float(shift[1])),
                radius=float(rng.uniform(0.4, 0.65)),
                turn=float(rng.uniform(0.0, 90.0)),
                colour=given or drawn,
                metal=reflects,
            )
        )
    return result


def _kind(word: str) -> str | None:
    """Return the shape that a word names, in the singular or the plural."""
    for one in (word, word.removesuffix("s"), word.removesuffix("es")):
        if one in SHAPES:
            return SHAPES[one]
    return None


__all__ = ["COLOURS", "CUBE", "CYLINDER", "MAX_SHAPES", "SPHERE", "Shape", "shapes_of"]
