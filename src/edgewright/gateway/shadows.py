"""Let other policies decide on the same observation, off the path and without effect."""

from __future__ import annotations

import asyncio

from edgewright.gateway.counters import Counters
from edgewright.gateway.decide import Decision
from edgewright.gateway.plan import Plan
from edgewright.gateway.policy import BundlePolicy
from edgewright.gateway.receipts import Receipt


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
            ranked = chooser.rank(decision.options, observation)
            self._counters.shadowed[name,] += 1
            if not ranked:
                receipt.shadows[name] = None
                continue
            option = ranked[0]
            same = option == decision.option
            self._counters.disagreed[name,] += not same
            receipt.shadows[name] = {**option.facts(), "agrees": same}
