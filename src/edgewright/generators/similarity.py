"""Compare pictures by structural similarity, which needs no other network."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

SIGMA, TRUNCATE = 1.5, 3.5
"""Deviation of the window in pixels, and its reach in deviations: 11 pixels."""

K1, K2 = 0.01, 0.03


def ssim(first: np.ndarray, second: np.ndarray, peak: float = 255.0) -> float:
    """Return the mean structural similarity of two pictures, at most 1, which equal ones have.

    ``(2 m1 m2 + c1)(2 s12 + c2) / ((m1^2 + m2^2 + c1)(s1^2 + s2^2 + c2))`` with means, variances
    and covariance in a Gaussian window of 11 pixels, ``c1 = (0.01 L)^2`` and ``c2 = (0.03 L)^2``
    (Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE Trans. Image Processing 13, 2004). Colours count
    equally.

    Args:
        first, second: ``[height, width]`` or ``[height, width, colours]``.
        peak: the width ``L`` of the range of values.
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    sigma = (SIGMA, SIGMA, 0.0)[: a.ndim]

    def smooth(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, sigma, truncate=TRUNCATE)

    mean_a, mean_b = smooth(a), smooth(b)
    variance_a, variance_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    covariance = smooth(a * b) - mean_a * mean_b
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    ratio = (2.0 * mean_a * mean_b + c1) * (2.0 * covariance + c2)
    ratio /= (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    edge = int(TRUNCATE * SIGMA + 0.5)
    inner = ratio[edge:-edge, edge:-edge] if min(ratio.shape[:2]) > 2 * edge else ratio
    return float(inner.mean())


__all__ = ["ssim"]
