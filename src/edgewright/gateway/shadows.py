"""Let other policies decide on the same observation, off the path and without effect."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from edgewright.gateway.counters import Counters
from edgewright.gateway.decide import Decision
from edgewright.gateway.options import Chooser, Option
from edgewright.gateway.plan import Plan
from edgewright.gateway.policy import BundlePolicy
from edgewright.gateway.receipts import Receipt
from edgewright.gateway.rules import Rule


class Shadows:
    """Runs shadows after the request was sent. They generate nothing."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def later(self, plan: Plan, receipt: Receipt, decision: Decision) -> None:
        """Arrange for the shadows of a plan to decide once the loop is free."""
        if plan.shadows:
            asyncio.get_running_loop().call_soon(self._decide, plan, receipt, decision)

    def _decide(self, plan: Plan, receipt: Receipt, decision: Decision) -> None:
        for name, chooser in plan.shadows.items():
            observation = decision.observation
            if isinstance(chooser, BundlePolicy) and decision.signals is not None:
                observation = chooser.observer.observe(decision.signals)  # its fields may differ
            option = _best(chooser, decision.options, observation)
            self._counters.shadowed[name,] += 1
            receipt.shadows[name] = option
            if option is not None:
                self._counters.disagreed[name,] += option != decision.option


def _best(
    chooser: Chooser, options: Sequence[Option], observation: dict[str, Any] | None
) -> Option | None:
    """Return the best option; None where a shadow cannot decide. Rules need not rank the others."""
    if isinstance(chooser, Rule):
        return chooser.best(options)
    ranked = chooser.rank(options, observation)
    return ranked[0] if ranked else None
