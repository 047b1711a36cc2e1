"""Generate sheets of 8x8 digits with a diffusion model that is small enough to ship."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewright.core.sealed import load_arrays
from edgewright.gateway.backends import diffusion
from edgewright.gateway.backends.seeds import seed_of

TILE = 8
"""Pixels of the side of a digit; an image is a sheet of them."""

WEIGHTS = Path(__file__).parent / "digits.npz"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT = re.compile(r"\d|\b(?:" + "|".join(WORDS) + r")\b")


@functools.cache
def shipped_weights(path: Path = WEIGHTS) -> dict[str, np.ndarray]:
    """Return the weights that the package ships, and the moments of the data, by name.

    Raises:
        InputError: the file is missing or does not match its hash.
    """
    hint = f"install the package again, or: edgewright generator train --out {path.name}"
    return load_arrays(path, "generator", hint)[0]


def classes_of(prompt: str) -> list[int]:
    """Return the digits that a prompt names, in order; all ten where it names none."""
    named = _DIGIT.findall(prompt.lower())
    return [WORDS.index(one) if one in WORDS else int(one) for one in named] or [*range(10)]


class Digits:
    """A generator whose level is a number of denoising steps.

    Attributes:
        weights: of :mod:`~.diffusion`, with the moments of the data.
    """

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        self.weights = weights or shipped_weights()

    def estimates(
        self,
        prompt: str,
        size: tuple[int, int],
        steps: int,
        seed: int | None = None,
        edited: np.ndarray | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield the estimate of the image ``[height, width]`` uint8 after every step.

        Args:
            size: width and height in pixels, multiples of 8.
            edited: image ``[height, width]`` uint8 to begin with; None begins with noise.
        """
        columns, rows = size[0] // TILE, size[1] // TILE
        count = columns * rows
        rng = np.random.default_rng(seed_of(prompt, seed))
        noise = rng.standard_normal((count, diffusion.PIXELS), np.float32)
        named = classes_of(prompt)
        classes = np.eye(diffusion.CLASSES, dtype=np.float32)[np.resize(named, count)]
        start = None
        if edited is not None:
            tiled = edited.reshape(rows, TILE, columns, TILE).transpose(0, 2, 1, 3)
            start = tiled.reshape(count, diffusion.PIXELS).astype(np.float32) / 127.5 - 1.0
        for clean in diffusion.denoise(self.weights, noise, classes, steps, start):
            tiles = clean.reshape(rows, columns, TILE, TILE).transpose(0, 2, 1, 3)
            grey = np.rint((tiles.reshape(rows * TILE, columns * TILE) + 1.0) * 127.5)
            yield grey.astype(np.uint8)
