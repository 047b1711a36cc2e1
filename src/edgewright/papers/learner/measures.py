"""From the table of the learner study to the number a claim is judged by."""

from __future__ import annotations

import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_mean
from edgewright.papers.learner.view import CHARGES, View
from edgewright.studies.claim import Measured, measured
from edgewright.studies.claims_file import Measures


def lead(view: View, ours: str, other: str) -> Measured:
    """Measure the difference of two rewards per slot."""
    quantity = f"reward of {ours} less that of {other}"
    return measured(view.difference(ours, other), quantity, len(view.reward(ours)))


def way(view: View, ours: str) -> Measured:
    """Measure which share of the gap between greedy and the bound is closed, in per cent."""
    quantity = f"share of the gap between greedy and the bound that {ours} closes"
    return measured(view.closed(ours), quantity, len(view.reward(ours)), "%")


def short(view: View, ours: str, charge: int) -> Measured:
    """Measure how far a reward is below the bound in episodes that begin with a charge."""
    interval = view.short_of_bound(ours, CHARGES.index(charge))
    quantity = f"how far {ours} is below the bound from {charge} % charge"
    return measured(interval, quantity, len(view.reward(ours)), "%")


def early(view: View, ours: str, steps: float) -> Measured:
    """Measure the reward at the last evaluation that is not after ``steps``."""
    marks, rewards = view.curve(ours)
    index = max(0, int(np.searchsorted(marks, steps, side="right")) - 1)
    quantity = f"reward of {ours} after {marks[index]:.0f} steps"
    return measured(joint_mean(rewards[:, index, None]), quantity, len(rewards))


MEASURES: Measures = {"lead": lead, "way": way, "short": short, "early": early}
