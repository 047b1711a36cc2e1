"""Hold what the simulations of a testbed share: numbers, the link and the spread of services."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from edgewright.testbed.fit import Fitted
from edgewright.testbed.objective import Arrival
from edgewright.testbed.rate import Rate


@dataclasses.dataclass(frozen=True)
class Conditions:
    """Numbers of the link and of services, which no policy changes.

    Attributes:
        fitted: work, speeds, bytes and spread, as they were calibrated.
        up, down: the link that all servers share.
        power_w: ``[1 + N]`` of each location while it works.
        queues: ``[1 + N]`` requests that may wait at each location.
    """

    fitted: Fitted
    up: Rate
    down: Rate
    power_w: Sequence[float]
    queues: Sequence[int]

    @property
    def locations(self) -> range:
        """Return the locations, the device first."""
        return range(len(self.fitted.ghz))

    @property
    def levels(self) -> range:
        """Return the quality levels."""
        return range(len(self.fitted.multiplier))

    def expected_s(self, arrival: Arrival, location: int, level: int) -> float:
        """Return the mean time of service."""
        return self.fitted.service_s(location, level, arrival.size)

    def service_s(self, arrival: Arrival, location: int, level: int) -> float:
        """Return a time of service with the measured spread.

        It depends on the request alone, so that every simulation of a block meets the same ones.
        """
        text = f"{arrival.seed}/{arrival.index}/{location}/{level}"
        digest = hashlib.sha256(text.encode()).digest()
        normal = np.random.default_rng(int.from_bytes(digest[:8], "little")).standard_normal()
        spread = self.fitted.service_cv[location]
        factor = float(np.exp(spread * normal - 0.5 * spread**2))
        return factor * self.expected_s(arrival, location, level)

    def answer_bytes(self, arrival: Arrival, level: int) -> int:
        """Return the length of an answer, in proportion to its pixels."""
        nominal = self.fitted.nominal_size
        share = arrival.size[0] * arrival.size[1] / (nominal[0] * nominal[1])
        return round(1e6 * self.fitted.output_mb[level] * share)

    def transfer_s(self, arrival: Arrival, level: int, mbps: float) -> float:
        """Return the predicted time on the link, both ways, at a bandwidth."""
        count = arrival.request_bytes + self.answer_bytes(arrival, level)
        return 2.0 * self.fitted.delay_s + 8e-6 * count / mbps
