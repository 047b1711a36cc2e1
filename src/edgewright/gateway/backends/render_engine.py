"""Let the path tracer make the images of a back end."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.gateway.backends import png, render
from edgewright.gateway.backends.seeds import seed_of
from edgewright.gateway.config import SHEET
from edgewright.gateway.jobs import BackendError, Job
from edgewright.gateway.settings import BackendTable

_REPEATS, _SIDES = 3, (32, 64)
_PROMPT = "a ball, a cube and a pillar"


@dataclasses.dataclass(frozen=True)
class Work:
    """The time of a rendered image on this machine, which is affine in samples and pixels.

    Attributes:
        image_s: to load the scene, and what the network and the file take of any image.
        sample_pixel_s: for each sample of each pixel.
        end_pixel_s: of the network and the file, for each pixel.
    """

    image_s: float
    sample_pixel_s: float
    end_pixel_s: float

    def image(self, size: tuple[int, int], samples: int, ended: bool) -> float:
        """Return the time until so many samples of each pixel are done, in seconds.

        Args:
            ended: whether the network and the file are done too.
        """
        pixels = size[0] * size[1]
        end_s = self.end_pixel_s * pixels if ended else 0.0
        return self.image_s + self.sample_pixel_s * pixels * samples + end_s


@functools.cache
def measured_work(denoise: bool) -> Work:
    """Return the work of the renderer, measured on this machine.

    Each part is timed several times and the shortest counts, as other programs only add.

    Args:
        denoise: whether the network removes the noise of the last pass.
    """
    starts, passes, ends = [], [], []
    for side in _SIDES:
        first, each, end = [], [], []
        for repeat in range(_REPEATS):
            estimates = render.estimates(_PROMPT, (side, side), 2 * render.PASS_SAMPLES, repeat)
            began_s, image = _timed(next, estimates)
            pass_s, image = _timed(next, estimates)
            end_s, _ = _timed(finished, image, denoise)
            first.append(began_s - pass_s)
            each.append(pass_s)
            end.append(end_s)
        starts.append(max(0.0, min(first)))
        passes.append(min(each))
        ends.append(min(end))
    pixels = [side * side for side in _SIDES]
    end_pixel_s = max(0.0, (ends[1] - ends[0]) / (pixels[1] - pixels[0]))
    fixed_s = max(0.0, ends[0] - end_pixel_s * pixels[0])
    sample_pixel_s = passes[1] / (render.PASS_SAMPLES * pixels[1])
    return Work(min(starts) + fixed_s, sample_pixel_s, end_pixel_s)


def _timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - began, result


def finished(image: np.ndarray, denoise: bool) -> bytes:
    """Return the PNG file of a linear image ``[height, width, 3]``, noise removed or not."""
    return png.encode(render.shown(render.denoised(image) if denoise else image))


class RenderEngine:
    """Renders scenes, whose level is a number of samples of each pixel.

    Raises:
        InputError: the extra ``render`` is not installed, or cannot be used here.
    """

    def __init__(self, table: BackendTable, where: str) -> None:
        self._table = table
        try:
            render.mitsuba()
            if table.denoise:
                render.denoiser()
            if table.step_ms is None:
                self._work = measured_work(table.denoise)
            else:
                self._work = Work(0.0, 1e-3 * table.step_ms / SHEET**2, 0.0)
        except InputError as error:
            message = f"must not be 'render' here: {error.message}"
            raise InputError(message, where=where, hint=error.hint) from None

    def steps(self, size: tuple[int, int], level: int) -> int:
        """Return the number of passes."""
        return len(render.passes(self._table.samples[level], size))

    def seconds(self, size: tuple[int, int], level: int, step: int) -> float:
        """Return the time until a pass is done; see :class:`~.engine.Engine`."""
        samples = min(self._table.samples[level], step * render.pass_samples(size))
        return self._work.image(size, samples, step == self.steps(size, level))

    def images(self, job: Job, number: int) -> Iterator[np.ndarray]:
        """Return the linear means ``[height, width, 3]``; see :class:`~.engine.Engine`.

        Raises:
            BackendError: the request brings an image to edit.
        """
        if job.sources:
            message = f"'{self._table.name}' renders scenes and edits no images"
            raise BackendError(message, transport=False, status=400)
        seed = seed_of(job.prompt, job.seed) + number
        return render.estimates(job.prompt, job.size, self._table.samples[job.level], seed)

    def file(self, image: np.ndarray, last: bool) -> bytes:
        """Return the PNG file of a mean; the network looks at the last one only."""
        return finished(image, last and self._table.denoise)


__all__ = ["RenderEngine", "Work", "finished", "measured_work"]
