"""Choose the bandwidth of the testbed's link: a recording, or a stand-in where there is none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from edgewright.core.files import write_bytes
from edgewright.testbed.rate import Rate, recorded

RECORDING = Path("bandwidth") / "norway_bus_1.txt"
"""Norway HSDPA (H. Riiser et al., "Commute path bandwidth traces from 3G networks", MMSys 2013)."""

SECONDS, LOW, HIGH, STEP = 600, 1.0, 5.0, 0.4
LEAST_SHARE = 0.1
"""An outage is clipped to this share of the mean, so that every answer arrives."""


@dataclasses.dataclass(frozen=True)
class Bandwidth:
    """A bandwidth with where it is from.

    Attributes:
        file: in the format of recordings; the link process reads it too.
        factor: by which it was scaled.
        recorded: whether it was measured on a real link.
    """

    file: Path
    rate: Rate
    factor: float
    recorded: bool


def bandwidth_of(data: Path | None, folder: Path, mean_mbps: float, seed: int) -> Bandwidth:
    """Return the bandwidth, scaled to a mean.

    Args:
        data: folder of recordings; without the file a walk between 1 and 5 Mbit/s stands in.
        folder: where the stand-in is written.
    """
    file = data / RECORDING if data else None
    there = file is not None and file.is_file()
    if file is None or not there:
        file = folder / "bandwidth.txt"
        write_bytes(file, _walk(seed).encode())
    rate, factor = recorded(file, mean_mbps, LEAST_SHARE * mean_mbps)
    return Bandwidth(file, rate, factor, there)


def _walk(seed: int) -> str:
    """Return a random walk with mirrors at its ends, one row a second."""
    rng, value, lines = np.random.default_rng(seed), 0.5 * (LOW + HIGH), []
    for second in range(SECONDS + 1):
        lines.append(f"{second} {value:.4f}")
        value += rng.normal(0.0, STEP)
        value = min(max(value, 2.0 * LOW - value), 2.0 * HIGH - value)
        value = float(np.clip(value, LOW, HIGH))
    return "\n".join(lines) + "\n"
