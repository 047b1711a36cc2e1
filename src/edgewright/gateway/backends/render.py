"""Render scenes with Mitsuba 3 in passes of few samples, and remove their noise with a network.

Path tracing estimates the light of each pixel by the mean of random paths, so that the variance
falls as one over their number (J. T. Kajiya, "The rendering equation", SIGGRAPH 1986). The network
is that of Intel's Open Image Denoise. Both come with the extra ``render`` and are imported when the
first image is made; no other part of the gateway needs them.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.gateway.backends.scenes import CUBE, SPHERE, Shape, shapes_of
from edgewright.gateway.backends.seeds import seed_of

PASS_SAMPLES = 4
"""Most samples of each pixel between two looks at whether the client is still there."""

PASS_PIXELS = 2 * 256**2
"""Most pixels times samples between two such looks; one sample of each pixel is the least."""

DEPTH = 4
"""Surfaces that a path of light meets at most."""

_HINT = 'pip install "edgewright[render]"; no other kind of back end needs it'
_LOADING = threading.Lock()


@functools.cache
def mitsuba() -> Any:
    """Return Mitsuba in its plain variant, which needs no LLVM and renders on the calling thread.

    Every call gets the same module, whose threads are set to one for the process.

    Raises:
        InputError: the extra is not installed, or cannot be loaded.
    """
    with _LOADING:
        module: Any = _imported("mitsuba")
        module.set_variant("scalar_rgb")
        _imported("drjit").set_thread_count(1)  # a back end is one core, if it is paced
        return module


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a library that it needs is missing
        message = f"rendering needs {name}: {error}"
        raise InputError(message, where="extra render", hint=_HINT) from None


class Denoiser:
    """Intel's Open Image Denoise for linear images, on one thread.

    Raises:
        InputError: the extra is not installed, or its library cannot start.
    """

    def __init__(self) -> None:
        self._library: Any = _imported("pyoidn")
        try:
            self._device: Any = self._library.Device()
            self._device.set_int("numThreads", 1)
            self._device.commit()
            self._check()
        except (OSError, RuntimeError) as error:
            message = f"the denoiser cannot start: {error}"
            hint = "denoise = false renders without it; or install the extra again: " + _HINT
            raise InputError(message, where="extra render", hint=hint) from None

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return a linear image ``[height, width, 3]`` float32 without its noise."""
        library, source = self._library, np.ascontiguousarray(image, np.float32)
        result = np.empty_like(source)
        filter: Any = library.Filter(self._device, library.OIDN_FILTER_TYPE_RT)
        try:
            filter.set_image(library.OIDN_IMAGE_COLOR, source, library.OIDN_FORMAT_FLOAT3)
            filter.set_image(library.OIDN_IMAGE_OUTPUT, result, library.OIDN_FORMAT_FLOAT3)
            filter.set_bool("hdr", True)
            filter.commit()
            filter.execute()
            self._check()
        finally:
            filter.release()
        return result

    def _check(self) -> None:
        if (problem := self._device.get_error()) is not None:
            raise RuntimeError(f"Open Image Denoise failed: {problem}")


@functools.cache
def denoiser() -> Denoiser:
    """Return the denoiser of this process, which back ends share; it does one image at a time."""
    return Denoiser()


_DENOISING = threading.Lock()


def denoised(image: np.ndarray) -> np.ndarray:
    """Return a linear image ``[height, width, 3]`` without its noise."""
    with _DENOISING:
        return denoiser()(image)


def pass_samples(size: tuple[int, int]) -> int:
    """Return the samples of each pixel in a pass, so that a cancelled image ends soon.

    Args:
        size: width and height in pixels.
    """
    return max(1, min(PASS_SAMPLES, PASS_PIXELS // (size[0] * size[1])))


def passes(samples: int, size: tuple[int, int]) -> list[int]:
    """Return the samples of each pass, as :func:`pass_samples` says, the last one the rest."""
    each = pass_samples(size)
    full, rest = divmod(samples, each)
    return [each] * full + ([rest] if rest else [])


def estimates(
    prompt: str, size: tuple[int, int], samples: int, seed: int | None = None
) -> Iterator[np.ndarray]:
    """Yield the linear mean image ``[height, width, 3]`` float32 after each pass.

    Args:
        size: width and height in pixels.
        samples: of each pixel in all.
        seed: of the arrangement and of the samples; None for a hash of the prompt.
    """
    renderer, scene = mitsuba(), _scene(shapes_of(prompt, seed), size)
    first = seed_of(prompt, seed) % 2**31
    total, done = np.zeros((size[1], size[0], 3), np.float32), 0
    for number, count in enumerate(passes(samples, size)):
        image = renderer.render(scene, spp=count, seed=(first + number) % 2**32)
        total += count * np.array(image, np.float32)
        done += count
        yield total / done


def shown(linear: np.ndarray) -> np.ndarray:
    """Return a linear image ``[height, width, 3]`` as bytes of sRGB (IEC 61966-2-1)."""
    clipped = np.clip(linear, 0.0, 1.0)
    low, high = 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055
    return np.rint(255.0 * np.where(clipped <= 0.0031308, low, high)).astype(np.uint8)


def _scene(shapes: list[Shape], size: tuple[int, int]) -> Any:
    """Return a loaded scene with shapes on a floor before a wall, below one lamp."""
    renderer = mitsuba()
    move = renderer.ScalarTransform4f
    content: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": DEPTH},
        "sensor": _camera(move, size),
        "floor": {
            "type": "rectangle",
            "to_world": move().scale(12.0),
            "bsdf": _matte((0.6, 0.58, 0.55)),
        },
        "wall": {
            "type": "rectangle",
            "to_world": move().translate([0, 4, 0]).rotate([1, 0, 0], 90).scale(12.0),
            "bsdf": _matte((0.5, 0.55, 0.6)),
        },
        "lamp": {
            "type": "rectangle",
            "to_world": move().look_at(origin=[3, -3, 6], target=[0, 0, 0], up=[0, 0, 1]),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [22, 21, 19]}},
        },
        "sky": {"type": "constant", "radiance": {"type": "rgb", "value": [0.25, 0.28, 0.32]}},
    }
    for number, one in enumerate(shapes):
        content[f"shape{number}"] = _solid(move, one)
        if one.kind not in (SPHERE, CUBE):
            content[f"lid{number}"] = _lid(move, one)
    return renderer.load_dict(content)


def _camera(move: Any, size: tuple[int, int]) -> dict[str, Any]:
    return {
        "type": "perspective",
        "fov": 30.0,
        "fov_axis": "smaller",
        "to_world": move().look_at(origin=[0, -7, 3.6], target=[0, 0, 0.5], up=[0, 0, 1]),
        "sampler": {"type": "independent"},
        "film": {
            "type": "hdrfilm",
            "width": size[0],
            "height": size[1],
            "rfilter": {"type": "box"},  # the noise of pixels stays apart, as the network expects
            "pixel_format": "rgb",
            "component_format": "float32",
        },
    }


def _matte(colour: tuple[float, float, float]) -> dict[str, Any]:
    return {
        "type": "twosided",
        "below": {"type": "diffuse", "reflectance": {"type": "rgb", "value": [*colour]}},
    }


def _surface(shape: Shape) -> dict[str, Any]:
    if not shape.metal:
        return _matte(shape.colour)
    tint = {"type": "rgb", "value": [0.3 + 0.7 * one for one in shape.colour]}
    metal = {"type": "roughconductor", "alpha": 0.15, "specular_reflectance": tint}
    return {"type": "twosided", "below": metal}


def _solid(move: Any, shape: Shape) -> dict[str, Any]:
    x, y = shape.at
    if shape.kind == SPHERE:
        centre = [x, y, shape.radius]
        return {
            "type": "sphere", "radius": shape.radius, "center": centre, "bsdf": _surface(shape),
        }  # fmt: skip
    stand = move().translate([x, y, shape.radius]).rotate([0, 0, 1], shape.turn)
    if shape.kind == CUBE:
        placed = stand.scale(0.8 * shape.radius).translate([0, 0, -0.25])
        return {"type": "cube", "to_world": placed, "bsdf": _surface(shape)}
    ends = {"p0": [x, y, 0.0], "p1": [x, y, 2.0 * shape.radius]}
    return {"type": "cylinder", "radius": 0.7 * shape.radius, **ends, "bsdf": _surface(shape)}


def _lid(move: Any, shape: Shape) -> dict[str, Any]:
    x, y = shape.at
    top = move().translate([x, y, 2.0 * shape.radius]).scale(0.7 * shape.radius)
    return {"type": "disk", "to_world": top, "bsdf": _surface(shape)}


__all__ = [
    "PASS_SAMPLES", "denoised", "estimates", "mitsuba", "pass_samples", "passes", "shown",
]  # fmt: skip
