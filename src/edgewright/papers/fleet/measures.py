"""From the table of the fleet study to the number a claim is judged by."""

from __future__ import annotations

from edgewright.papers.fleet.jobs import BOUNDS
from edgewright.studies.claim import Measured, measured
from edgewright.studies.claims_file import Measures
from edgewright.studies.reward_view import RewardView, lead


class View(RewardView):
    """The table as claims see it."""

    def lowest_bound(self) -> str:
        """Return the key of the bound whose mean is lowest."""
        keys = [f"fleet/{name}" for name in BOUNDS]
        return min(keys, key=lambda key: float(self.reward(key).mean()))


def way(view: View, ours: str, low: str) -> Measured:
    """Measure how far along the way from a rule to the lowest bound a policy is, in per cent."""
    high = view.lowest_bound()
    interval = view.way(ours, low, high)
    quantity = f"share of the way from {low} to {high} that {ours} goes"
    return measured(interval, quantity, len(view.reward(ours)), "%")


MEASURES: Measures = {"lead": lead, "way": way}
