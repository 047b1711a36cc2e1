"""Draw the times, sizes, modes and seeds of the requests of a block."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

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
    """

    seconds: float
    rate_hz: float
    sizes: Sequence[tuple[int, int]]
    log: Path | None = None


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
        one = Arrival(index, float(at_s), digits, (width, height), mode, number)
        result.append(dataclasses.replace(one, request_bytes=len(body_of(one))))
    return result


def body_of(arrival: Arrival) -> bytes:
    """Return the body that asks for an arrival's image."""
    width, height = arrival.size
    content: dict[str, Any] = {
        "prompt": arrival.prompt,
        "size": f"{width}x{height}",
        "edgewright": {"mode": arrival.mode, "seed": arrival.seed},
    }
    return json.dumps(content).encode()


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
