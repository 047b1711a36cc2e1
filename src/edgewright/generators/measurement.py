"""Measure the quality and the work of every number of steps of the digits generator."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edgewright.gateway.backends import diffusion
from edgewright.gateway.backends.quality import frechet_distance, moments, psnr_db

REFERENCE_STEPS, SHEET = 100, 1024


def measure(
    weights: dict[str, np.ndarray], steps: list[int], count: int = 4096, seed: int = 1
) -> list[dict[str, Any]]:
    """Return for each number of steps its quality and its work.

    Args:
        count: digits that are generated for each.

    Returns:
        Rows of ``steps``, ``frechet_distance`` to the data, ``psnr_db`` against
        :data:`REFERENCE_STEPS` steps from the same noise, and ``cpu_ms`` of this process for a
        sheet of 1,024 digits.
    """
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, diffusion.PIXELS), np.float32)
    classes = np.eye(diffusion.CLASSES, dtype=np.float32)[rng.integers(0, diffusion.CLASSES, count)]
    data = weights["data_mean"].astype(float), weights["data_covariance"].astype(float)
    *_, reference = diffusion.denoise(weights, noise, classes, REFERENCE_STEPS)
    rows = []
    for number in steps:
        began = time.process_time()
        *_, image = diffusion.denoise(weights, noise, classes, number)
        spent = time.process_time() - began
        rows.append(
            {
                "steps": number,
                "frechet_distance": frechet_distance(moments(image.astype(float)), data),
                "psnr_db": psnr_db(image, reference, 2.0),
                "cpu_ms": 1e3 * spent * SHEET / count,
            }
        )
    return rows
