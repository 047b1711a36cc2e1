"""Look a few slots ahead with the prices of the shadow-price rule on both ends (rollout).

The rule with prices is the base policy, and its prices value what is left after the last slot. So
two or three slots ahead suffice where the plain rollout needs twelve: what it adds to the rule is
the expectation over the next inputs.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from edgewright.core.protocols import Stream
from edgewright.core.records import Array, Decision, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc.baselines.battery_price import BatteryPrice
from edgewright.systems.aigc.baselines.rollout import futures_of, look_ahead


@record
class PricedRollout:
    """Simulate ``futures`` futures of ``horizon`` slots after every action; take the best mean.

    Attributes:
        rule: the base policy, which names the prices.
        model: where futures come from; it must continue the present (``Stream.resume``).
    """

    rule: BatteryPrice
    model: Stream[Any]
    horizon: int = static(default=3)
    futures: int = static(default=16)

    def init_carry(self, key: Array) -> Array:
        """Return the memory of the rule."""
        return self.rule.init_carry(key)

    def act(
        self, key: Array, carry: Array, insight: PrivilegedObservation
    ) -> tuple[Array, Decision]:
        """Return the action of every device. Consumes ``key``."""
        joule, prices = self.rule.prices(carry, insight)
        rows = futures_of(key, self.model, insight.x, self.futures, self.horizon - 1)
        left = insight.params.horizon_slots - insight.state.slot - 1
        counted = jnp.arange(self.horizon - 1) < left
        action = look_ahead(self.rule.world, insight, rows, counted, prices)
        return joule, Decision(action=action, aux=())


__all__ = ["PricedRollout"]
