"""Measure the quality of generated images by distances that need no other network."""

from __future__ import annotations

import numpy as np


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean ``[d]`` and covariance ``[d, d]`` of rows ``[n, d]``."""
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


def frechet_distance(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> float:
    """Return the Fréchet distance of two Gaussians, each a mean and a covariance.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` (D. C. Dowson and B. V. Landau, "The Fréchet
    distance between multivariate normal distributions", J. Multivariate Analysis 12, 1982). It is
    what FID computes on features of a network, here on pixels.
    """
    (mean, covariance), (other_mean, other_covariance) = first, second
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    product = np.linalg.eigvalsh(root @ other_covariance @ root)
    cross = np.sqrt(np.clip(product, 0.0, None)).sum()
    difference = mean - other_mean
    return float(
        difference @ difference + np.trace(covariance) + np.trace(other_covariance) - 2.0 * cross
    )


def psnr_db(image: np.ndarray, reference: np.ndarray, peak: float) -> float:
    """Return the peak signal-to-noise ratio in dB of an image against its reference.

    Args:
        peak: the width of the range of values, e.g. 255; equal images give infinity.
    """
    error = float(np.mean((image.astype(np.float64) - reference.astype(np.float64)) ** 2))
    return float("inf") if error == 0.0 else 10.0 * float(np.log10(peak**2 / error))
