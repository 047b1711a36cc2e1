"""Define options for a request, each a back end at a quality level with predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol


@dataclasses.dataclass(frozen=True)
class Option:
    """One back end at one level, as predicted now.

    Attributes:
        queue_s: work ahead.
        service_s: time of service, corrected by what was measured.
        transfer_s: time on its link, both ways.
        energy_j: energy of the service.
    """

    location: int
    level: int
    backend: str
    queue_s: float
    service_s: float
    transfer_s: float
    energy_j: float

    @property
    def delay_s(self) -> float:
        """Return the predicted time until the answer."""
        return self.queue_s + self.service_s + self.transfer_s

    def facts(self) -> dict[str, Any]:
        """Return what a receipt says of it."""
        return {
            "location": self.location,
            "level": self.level,
            "backend": self.backend,
            "delay_ms": 1e3 * self.delay_s,
            "queue_ms": 1e3 * self.queue_s,
            "service_ms": 1e3 * self.service_s,
            "transfer_ms": 1e3 * self.transfer_s,
            "energy_j": self.energy_j,
        }


class Chooser(Protocol):
    """Ranks several options.

    Attributes:
        label: who decided, as receipts say it.
    """

    @property
    def label(self) -> str: ...

    def rank(
        self, options: Sequence[Option], observation: dict[str, Any] | None
    ) -> Sequence[Option]:
        """Return the best options, the best first; at least two of them where it can, or none.

        Args:
            options: at most one for each location and level, at least one.
            observation: the fields of the bundle; None where no bundle is loaded.
        """
        ...


def nearest_delay(options: Sequence[Option]) -> Option:
    """Return the option with the least predicted delay, the higher level among equals."""
    return min(options, key=lambda one: (one.delay_s, -one.level, one.location))
