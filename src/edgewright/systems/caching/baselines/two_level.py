"""Put a rule for the caches and a rule for the slots together to one policy."""

from __future__ import annotations

from typing import Any, Protocol

import jax

from edgewright.core.records import Array, Decision, Memoryless, record
from edgewright.loops.evaluate import PrivilegedObservation


class Placement(Protocol):
    """A rule for the decision of an epoch."""

    def place(self, key: Array, known: PrivilegedObservation) -> Array:
        """Return priorities ``[M, K]``. Consumes ``key``."""
        ...


class SlotRule(Protocol):
    """A rule for the decision of a slot."""

    def offload(self, key: Array, known: PrivilegedObservation) -> dict[str, Array]:
        """Return the parts of the action but ``cache``. Consumes ``key``."""
        ...


@record
class TwoRules(Memoryless):
    """A policy of two rules; the world reads the caches at the beginning of an epoch only."""

    placement: Placement
    offloading: SlotRule

    def act(
        self, key: Array, carry: tuple[()], known: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action of both rules."""
        upper_key, lower_key = jax.random.split(key)
        action: dict[str, Any] = {"cache": self.placement.place(upper_key, known)}
        action |= self.offloading.offload(lower_key, known)
        return carry, Decision(action=action, aux=())
