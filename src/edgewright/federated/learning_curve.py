"""Predict accuracy from samples with a curve that is fitted on pooled data (section F.3)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgewright.federated.modules import init_model, recognised, trained
from edgewright.federated.settings import Settings
from edgewright.federated.shares import PIXELS, Samples, noisy, shares, test_images

SIZES = (20, 40, 80, 160, 320, 640)
"""Samples at which the curve is measured; predictions outside are clipped to this range."""
REPEATS = 3
EXPONENTS = np.linspace(0.1, 2.0, 191)


@dataclasses.dataclass(frozen=True)
class LearningCurve:
    """The curve ``A - B n^-C`` of recognition accuracy over pooled samples ``n``.

    Attributes:
        a, b, c: its numbers.
        points: ``(n, accuracy)`` that it was fitted on.
    """

    a: float
    b: float
    c: float
    points: tuple[tuple[int, float], ...]

    def accuracy(self, samples: int) -> float | None:
        """Return the accuracy of a model of so many samples; None for none."""
        if samples < 1:
            return None
        size = min(max(samples, SIZES[0]), SIZES[-1])
        return float(np.clip(self.a - self.b * size**-self.c, 0.0, 1.0))

    def facts(self) -> dict[str, Any]:
        """Return the curve as plain data, with its largest residual."""
        fitted = [self.a - self.b * n**-self.c for n, _ in self.points]
        worst = max(abs(f - acc) for f, (_, acc) in zip(fitted, self.points, strict=True))
        points = [list(point) for point in self.points]
        return {"a": self.a, "b": self.b, "c": self.c, "points": points, "worst_residual": worst}


def calibrate(settings: Settings, seed: int = 0) -> LearningCurve:
    """Measure accuracy on pooled subsamples and fit the curve by least squares.

    One learner holds all samples and takes as many passes as a server takes in one period, so the
    distance of a federated model from the curve is what separate, skewed data cost.
    """
    points = []
    for size in SIZES:
        accuracies = [_pooled(settings, seed, size, n) for n in range(REPEATS)]
        points.append((size, float(np.mean(accuracies))))
    return fit(tuple(points))


def fit(points: tuple[tuple[int, float], ...]) -> LearningCurve:
    """Return the curve through points ``(n, accuracy)``, by least squares over a grid of ``C``."""
    sizes = np.array([n for n, _ in points], np.float64)
    accuracy = np.array([one for _, one in points])
    best = None
    for c in EXPONENTS:
        columns = np.stack([np.ones_like(sizes), -(sizes**-c)], axis=1)
        (a, b), *_ = np.linalg.lstsq(columns, accuracy, rcond=None)
        error = float(np.sum((columns @ np.array([a, b]) - accuracy) ** 2))
        if best is None or error < best[0]:
            best = (error, float(a), float(b), float(c))
    assert best is not None
    return LearningCurve(*best[1:], points)


def _pooled(settings: Settings, seed: int, size: int, repeat: int) -> float:
    """Return the recognition accuracy of one learner with ``size`` pooled samples."""
    rng = np.random.default_rng([seed, 8, size, repeat])
    every = shares(settings, seed)
    images = np.concatenate([one.images for one in every])
    labels = np.concatenate([one.digits for one in every])
    rows = rng.permutation(len(labels))[:size]
    empty = np.zeros(len(rows), np.int64)
    samples = Samples(
        images=noisy(settings, rng, images[rows]),
        digits=labels[rows],
        goals=empty,
        moves=empty,
        log_rooms=empty,
        log_moves=empty,
        log_costs=np.zeros(len(rows)),
    )
    longer = dataclasses.replace(settings, epochs=settings.epochs * settings.rounds)
    modules = ("perception", "memory")
    model = init_model() | trained(longer, init_model(), modules, samples, [seed, size, repeat])
    clean, truth = test_images(seed)
    assert clean.shape[1] == PIXELS
    guessed = np.argmax(recognised(model, noisy(settings, rng, clean)), axis=1)
    return float(np.mean(guessed == truth))


__all__ = ["LearningCurve", "calibrate", "fit"]
