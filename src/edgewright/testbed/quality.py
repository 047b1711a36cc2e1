"""Measure the quality of each level, the curve beta(q) of a scenario."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from edgewright.core.errors import InputError
from edgewright.gateway.backends import png
from edgewright.gateway.backends.digits import TILE, Digits, shipped_weights
from edgewright.gateway.backends.quality import frechet_distance, moments
from edgewright.generators.render_measurement import reference
from edgewright.generators.similarity import ssim
from edgewright.testbed.calibration import PROMPT, SMALL, Sample

MAX_DIGITS = 2048
"""Digits that a distance is of at most; more change it little and take time."""

REFERENCE_SAMPLES, MAX_REFERENCES = 512, 2
"""Samples of a rendered picture that others are compared with, and how many of either half."""

REFERENCE_STEPS = 50
"""Denoising steps after which more change nothing that this distance would notice."""

ASSUMED = (0.50, 0.77, 1.00)
"""The curve of the scenario ``aigc``, which is read off figures of other models."""


@dataclasses.dataclass(frozen=True)
class Quality:
    """Scores of the levels from 0 to 1.

    Attributes:
        score: ``[K]`` from samples of even repeats.
        held_out: ``[K]`` from the odd ones; equal to the others where scores were stated.
        distance: ``[K]`` Fréchet distance to the data; empty where scores were stated.
        source: how they came about, for a comment.
    """

    score: list[float]
    held_out: list[float]
    distance: list[float]
    source: str


def stated(scores: Sequence[float]) -> Quality:
    """Return the scores of a configuration as they are."""
    given = [float(one) for one in scores]
    return Quality(given, given, [], "stated in [quality] scores of the gateway")


def of_digits(samples: Sequence[Sample], levels: int) -> Quality:
    """Return the scores of sheets of digits, by the distance of their pixels to the data.

    ``score(q) = 1 - (FD(q) - FD(50 steps)) / (FD(1 step) - FD(50 steps))``. All distances are of
    as many digits, as a distance falls with their number.

    Raises:
        InputError: an answer is not a sheet of digits.
    """
    weights = shipped_weights()
    data = weights["data_mean"].astype(float), weights["data_covariance"].astype(float)
    tiles = [
        [_tiles_of([one for one in samples if one.repeat % 2 == half], level) for half in (0, 1)]
        for level in range(levels)
    ]
    count = min(MAX_DIGITS, *(len(one) for row in tiles for one in row))
    worst, best = (_distance(_generated(steps, count), data) for steps in (1, REFERENCE_STEPS))
    distances = [[_distance(one[:count], data) for one in row] for row in tiles]
    halves = [[_score(row[half], best, worst) for row in distances] for half in (0, 1)]
    source = "Fréchet distance of pixels to the data, against 1 and 50 denoising steps"
    return Quality(halves[0], halves[1], [row[0] for row in distances], source)


def of_renders(samples: Sequence[Sample], levels: int, seed: int) -> Quality:
    """Return the scores of rendered scenes: mean SSIM against a picture of many samples.

    The two sheets of either half with the lowest repeats count, as each needs a reference.

    Args:
        seed: of the first image, as in :class:`~.calibration.Budget`.

    Raises:
        InputError: an answer is not a rendered picture, or the extra ``render`` is missing.
    """
    halves: list[list[float]] = []
    for half in (0, 1):
        repeats = sorted({one.repeat for one in samples if one.repeat % 2 == half})[:MAX_REFERENCES]
        used = [one for one in samples if one.repeat in repeats and one.size != SMALL]
        halves.append(
            [_similarity([one for one in used if one.level == k], seed) for k in range(levels)]
        )
    source = f"SSIM against {REFERENCE_SAMPLES} samples of each pixel"
    return Quality(halves[0], halves[1], [], source)


def _similarity(samples: Sequence[Sample], seed: int) -> float:
    """Return the mean SSIM of pictures, each against the reference of its own scene."""
    scores = []
    for one in samples:
        best = reference(PROMPT, one.size, seed + one.repeat, REFERENCE_SAMPLES)
        try:
            image = png.decode(one.file)
            if image.shape != best.shape:
                raise ValueError("must have three colours and the size that was asked for")
        except ValueError as error:
            message = f"must answer rendered pictures: {error}"
            hint = "state the quality of each level: [quality] scores = [...]"
            raise InputError(message, where=f"backend '{one.backend}'", hint=hint) from None
        scores.append(ssim(image, best))
    return float(np.clip(np.mean(scores), 0.0, 1.0))


def _score(distance: float, best: float, worst: float) -> float:
    return float(np.clip(1.0 - (distance - best) / (worst - best), 0.0, 1.0))


def _tiles_of(samples: Sequence[Sample], level: int) -> np.ndarray:
    """Return the digits ``[n, 64]`` of all sheets of a level, from -1 to 1."""
    sheets = []
    for one in samples:
        if one.level != level:
            continue
        try:
            image = png.decode(one.file)
        except ValueError as error:
            message = f"must answer sheets of digits: {error}"
            hint = "state the quality of each level: [quality] scores = [...]"
            raise InputError(message, where=f"backend '{one.backend}'", hint=hint) from None
        sheets.append(_cut(image))
    return np.concatenate(sheets) / 127.5 - 1.0


def _cut(image: np.ndarray) -> np.ndarray:
    rows, columns = image.shape[0] // TILE, image.shape[1] // TILE
    tiles = image.reshape(rows, TILE, columns, TILE).transpose(0, 2, 1, 3)
    return tiles.reshape(rows * columns, TILE * TILE)


def _generated(steps: int, count: int) -> np.ndarray:
    """Return digits ``[count, 64]`` that the shipped weights make in this process."""
    side = TILE * int(np.ceil(np.sqrt(count)))
    *_, image = Digits().estimates(PROMPT, (side, side), steps, seed=0)
    return _cut(image)[:count] / 127.5 - 1.0


def _distance(tiles: np.ndarray, data: tuple[np.ndarray, np.ndarray]) -> float:
    return frechet_distance(moments(tiles), data)
