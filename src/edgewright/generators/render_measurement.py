"""Measure the quality and the work of the renderer, and fit its work by a line."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from edgewright.gateway.backends import render
from edgewright.gateway.backends.quality import psnr_db
from edgewright.generators.similarity import ssim

REFERENCE_SAMPLES = 1024
"""Samples of a picture that others are compared with; its own noise bounds what PSNR can say."""

PROMPTS = ("a red ball and a blue box", "two pillars, one shiny", "anything")
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Line:
    """A least-squares line of work in ms over samples of each pixel.

    Attributes:
        intercept_ms, slope_ms: of an image, and of each sample more.
        low_ms, high_ms: 95 % interval of the slope, for normal errors (Student's t).
        r2: share of the variance that the line explains.
    """

    intercept_ms: float
    slope_ms: float
    low_ms: float
    high_ms: float
    r2: float


@functools.lru_cache(maxsize=16)
def reference(
    prompt: str, size: tuple[int, int], seed: int | None, samples: int = REFERENCE_SAMPLES
) -> np.ndarray:
    """Return a picture ``[height, width, 3]`` uint8 of many samples, whose noise is not removed."""
    *_, image = render.estimates(prompt, size, samples, seed)
    return render.shown(image)


def fitted_line(samples: Sequence[float], work_ms: Sequence[float]) -> Line:
    """Return the line through pairs of samples and work, at least three of them."""
    fit: Any = stats.linregress(samples, work_ms)
    reach = float(stats.t.ppf(0.5 + 0.5 * CONFIDENCE, len(samples) - 2)) * float(fit.stderr)
    slope = float(fit.slope)
    return Line(float(fit.intercept), slope, slope - reach, slope + reach, float(fit.rvalue) ** 2)


def measure(
    samples: Sequence[int],
    side: int = 128,
    reference_samples: int = REFERENCE_SAMPLES,
    on_progress: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Return the quality and the work of each number of samples, and the line of the work.

    Args:
        samples: of each pixel.
        side: of the pictures in pixels.
        on_progress: called before each picture, of :func:`pictures` in all.

    Returns:
        ``side`` in pixels; ``reference_samples``; ``rows`` of ``samples``, ``cpu_ms`` without the
        network, ``denoise_cpu_ms``, and PSNR in dB and SSIM against ``reference_samples``, without
        (``raw_``) and with the network, each a mean over :data:`PROMPTS`; and ``line``, the fields
        of :class:`Line` over all pictures, None for fewer than two different numbers of samples.

    Raises:
        InputError: the extra ``render`` is not installed, or cannot be used here.
    """
    size, works, pairs = (side, side), [], []
    rows: list[dict[str, Any]] = [{"samples": number} for number in samples]
    render.denoised(np.zeros((8, 8, 3), np.float32))  # the network is loaded once
    for prompt in PROMPTS:
        on_progress(f"{prompt}: reference")
        best = reference(prompt, size, None, reference_samples)
        for row in rows:
            on_progress(f"{prompt}: {row['samples']} samples")
            facts = _picture(prompt, size, row["samples"], best)
            works.append(facts["cpu_ms"])
            pairs.append(row["samples"])
            for name, value in facts.items():
                row[name] = row.get(name, 0.0) + value / len(PROMPTS)
    line = fitted_line(pairs, works) if len(set(pairs)) > 1 else None
    return {
        "side": side,
        "reference_samples": reference_samples,
        "rows": rows,
        "line": None if line is None else dataclasses.asdict(line),
    }


def pictures(samples: Sequence[int]) -> int:
    """Return how often :func:`measure` reports its progress."""
    return len(PROMPTS) * (1 + len(samples))


def _picture(
    prompt: str, size: tuple[int, int], samples: int, best: np.ndarray
) -> dict[str, float]:
    """Return what one picture took, and how near it is to its reference."""
    began = time.process_time()
    *_, image = render.estimates(prompt, size, samples, seed=None)
    done = time.process_time()
    clean = render.denoised(image)
    ended = time.process_time()
    raw, shown = render.shown(image), render.shown(clean)
    return {
        "cpu_ms": 1e3 * (done - began),
        "denoise_cpu_ms": 1e3 * (ended - done),
        "raw_psnr_db": psnr_db(raw, best, 255.0),
        "raw_ssim": ssim(raw, best),
        "psnr_db": psnr_db(shown, best, 255.0),
        "ssim": ssim(shown, best),
    }


__all__ = ["PROMPTS", "Line", "fitted_line", "measure", "pictures", "reference"]
