"""Draw the times, sizes, modes and seeds of the requests of a block."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.gateway.backends import png
from edgewright.streams.traces import load_requests
from edgewright.testbed.objective import MODES, Arrival

MAX_REQUESTS = 4096
"""Requests of a block whose seeds are certainly different."""


@dataclasses.dataclass(frozen=True)
class Replay:
    """The rate, the sizes and the log of requests that arrive.

    Attributes:
        seconds: length of a block.
        rate_hz: mean requests a second.
        sizes: of images, each as likely.
        log: a request log whose gaps are scaled to the rate; None for a Poisson process.
        files: least and greatest number of images that a request uploads; (0, 0) uploads none.
    """

    seconds: float
    rate_hz: float
    sizes: Sequence[tuple[int, int]]
    log: Path | None = None
    files: tuple[int, int] = (0, 0)


def arrivals(replay: Replay, seed: int) -> list[Arrival]:
    """Return the requests of one block; the same seed gives the same ones, to the bit.

    A log is entered at a place that the seed chooses, and all of its gaps are scaled by one factor.
    """
    rng = np.random.default_rng(seed)
    times = _poisson(replay, rng) if replay.log is None else _logged(replay, rng)
    result = []
    for index, at_s in enumerate(times):
        width, height = replay.sizes[int(rng.integers(len(replay.sizes)))]
        digits = " ".join(map(str, rng.integers(0, 10, 4)))
        mode = MODES[int(rng.integers(len(MODES)))]
        number = int(rng.integers(2**20)) * MAX_REQUESTS + index % MAX_REQUESTS
        least, most = replay.files
        files = int(rng.integers(least, most + 1)) if most else 0
        one = Arrival(index, float(at_s), digits, (width, height), mode, number, files=files)
        result.append(dataclasses.replace(one, request_bytes=len(body_of(one))))
    return result


BOUNDARY = "testbed-8f14e45f"
"""The line between the parts of a form."""

PATHS = {False: "/v1/images/generations", True: "/v1/images/edits"}
"""The path that a request without or with files is sent to."""


def type_of(arrival: Arrival) -> str:
    """Return the type of the content of an arrival's body."""
    return f"multipart/form-data; boundary={BOUNDARY}" if arrival.files else "application/json"


def content_of(arrival: Arrival) -> dict[str, Any]:
    """Return the fields that ask for an arrival's image, with its files as bytes."""
    width, height = arrival.size
    content: dict[str, Any] = {
        "prompt": arrival.prompt,
        "size": f"{width}x{height}",
        "edgewright": {"mode": arrival.mode, "seed": arrival.seed},
    }
    if arrival.files:
        content["image"] = [upload(arrival.size)] * arrival.files
    return content


def body_of(arrival: Arrival) -> bytes:
    """Return the body that asks for an arrival's image: JSON, or a form where it has files."""
    content = content_of(arrival)
    if not arrival.files:
        return json.dumps(content).encode()
    files = content.pop("image")
    texts = {f"edgewright[{name}]": str(one) for name, one in content.pop("edgewright").items()}
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    parts = [f'{head}{name}"\r\n\r\n{one}\r\n'.encode() for name, one in (content | texts).items()]
    name = "image" if len(files) == 1 else "image[]"
    for number, file in enumerate(files):
        kind = f'{name}"; filename="{number}.png"\r\nContent-Type: image/png\r\n\r\n'
        parts.append(f"{head}{kind}".encode() + file + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@functools.cache
def upload(size: tuple[int, int]) -> bytes:
    """Return the image that requests of a size upload: noise, which no compression makes small."""
    rng = np.random.default_rng(0)
    return png.encode(rng.integers(0, 256, (size[1], size[0]), np.uint8))


def upload_mb(sizes: Sequence[tuple[int, int]], files: tuple[int, int]) -> tuple[float, float]:
    """Return the least and the greatest size of a request in MB."""
    lengths = [1e-6 * len(upload(size)) for size in sizes]
    return files[0] * min(lengths), files[1] * max(lengths)


def _poisson(replay: Replay, rng: np.random.Generator) -> np.ndarray:
    count = max(1, int(2.0 * replay.seconds * replay.rate_hz) + 20)
    times = np.cumsum(rng.exponential(1.0 / replay.rate_hz, count))
    return times[times < replay.seconds]


def _logged(replay: Replay, rng: np.random.Generator) -> np.ndarray:
    assert replay.log is not None, "the caller chose"
    recorded = np.asarray(load_requests(replay.log).time_s, float)
    factor = (len(recorded) - 1) / (recorded[-1] - recorded[0]) / replay.rate_hz
    times = factor * (recorded - recorded[0])
    last = max(0.0, times[-1] - replay.seconds)
    begin = float(rng.uniform(0.0, last))
    return times[(times >= begin) & (times < begin + replay.seconds)] - begin
