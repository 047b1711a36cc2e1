"""Denoise 8x8 digits with a small network, in NumPy or any module with its functions.

The model predicts the velocity ``v = alpha * noise - sigma * image`` (T. Salimans and J. Ho,
"Progressive Distillation for Fast Sampling of Diffusion Models", ICLR 2022, arXiv 2202.00512) and
is sampled without fresh noise (J. Song, C. Meng and S. Ermon, "Denoising Diffusion Implicit
Models", ICLR 2021, arXiv 2010.02502). So an image depends on its first noise and the number of
steps alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

PIXELS, CLASSES, FREQUENCIES = 64, 10, 8
INPUTS = PIXELS + CLASSES + 2 * FREQUENCIES
"""Width of the network's input: pixels, the class as one-hot, and the time as sines and cosines."""

BLOCKS = 3
START = 0.98
"""Time of the first noise. At 1 the image would have no share in it and ``alpha`` be zero."""

EDIT_START = 0.6
"""Time at which the edit of an image begins: about its coarse shape is left."""

Weights = Mapping[str, Any]


def shares(time: Any, xp: Any = np) -> tuple[Any, Any]:
    """Return the shares (alpha, sigma) of image and noise at a time from 0 to 1."""
    angle = 0.5 * np.pi * time
    return xp.cos(angle), xp.sin(angle)


def velocity(weights: Weights, image: Any, time: Any, classes: Any, xp: Any = np) -> Any:
    """Return the predicted velocity ``[n, 64]``.

    Args:
        weights: by name, as :func:`init_shapes` says.
        image: noisy images ``[n, 64]``, clean ones lie in -1 to 1.
        time: ``[n, 1]`` from 0 (clean) to 1 (noise).
        classes: one-hot ``[n, 10]``.
        xp: the module that computes: ``numpy`` or ``jax.numpy``.
    """
    angles = time * (np.pi * 2.0 ** np.arange(FREQUENCIES, dtype=np.float32) / 4.0)
    row = xp.concatenate([image, classes, xp.sin(angles), xp.cos(angles)], axis=-1)
    hidden = row @ weights["in_w"] + weights["in_b"]
    for block in range(BLOCKS):
        active = hidden / (1.0 + xp.exp(-hidden))
        hidden = hidden + active @ weights[f"w_{block}"] + weights[f"b_{block}"]
    active = hidden / (1.0 + xp.exp(-hidden))
    return active @ weights["out_w"] + weights["out_b"]


def init_shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of weights by name."""
    shapes: dict[str, tuple[int, ...]] = {"in_w": (INPUTS, width), "in_b": (width,)}
    for block in range(BLOCKS):
        shapes |= {f"w_{block}": (width, width), f"b_{block}": (width,)}
    return shapes | {"out_w": (width, PIXELS), "out_b": (PIXELS,)}


def denoise(
    weights: Weights,
    noise: np.ndarray,
    classes: np.ndarray,
    steps: int,
    edited: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Yield the estimate of the clean images ``[n, 64]``, from -1 to 1, after every step.

    Args:
        noise: standard normal ``[n, 64]`` float32.
        classes: one-hot ``[n, 10]`` float32.
        steps: at least 1; the last estimate is the image.
        edited: images ``[n, 64]`` to begin with, of which the noise hides a part, as in SDEdit
            (C. Meng et al., ICLR 2022, arXiv 2108.01073); None begins with noise.
    """
    times = np.linspace(START, 0.0, steps + 1, dtype=np.float32)
    image = noise
    if edited is not None:
        times = np.linspace(EDIT_START, 0.0, steps + 1, dtype=np.float32)
        alpha, sigma = shares(times[0])
        image = alpha * edited + sigma * noise
    for now, after in itertools.pairwise(times):
        alpha, sigma = shares(now)
        speed = velocity(weights, image, np.full((len(image), 1), now, np.float32), classes)
        clean = np.clip(alpha * image - sigma * speed, -1.0, 1.0)
        left = (image - alpha * clean) / sigma
        alpha, sigma = shares(after)
        image = alpha * clean + sigma * left
        yield clean
