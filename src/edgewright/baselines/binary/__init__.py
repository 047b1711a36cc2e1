"""What learners are measured against in the binary world: rules, searches, the optimum, a bound."""

from edgewright.baselines.binary.exact import (
    MOST_DEVICES,
    Optimum,
    check_size,
    enumerate_actions,
    optimum,
    threshold,
)
from edgewright.baselines.binary.relaxation import lower_bound
from edgewright.baselines.binary.rules import Fixed, Greedy, OneFlip, Prefix, RandomActions

__all__ = [
    "MOST_DEVICES",
    "Fixed",
    "Greedy",
    "OneFlip",
    "Optimum",
    "Prefix",
    "RandomActions",
    "check_size",
    "enumerate_actions",
    "lower_bound",
    "optimum",
    "threshold",
]
