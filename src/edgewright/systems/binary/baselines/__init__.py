"""Baselines of the binary world, which are rules, searches, the optimum and a bound."""

from edgewright.systems.binary.baselines.exact import (
    MAX_DEVICES,
    Optimum,
    check_size,
    enumerate_actions,
    optimum,
    threshold,
)
from edgewright.systems.binary.baselines.relaxation import lower_bound
from edgewright.systems.binary.baselines.rules import Fixed, Greedy, OneFlip, Prefix, RandomActions

__all__ = [
    "MAX_DEVICES",
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
