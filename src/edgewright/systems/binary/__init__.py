"""The binary offloading system, with a distribution of tasks (MRL)."""

from edgewright.systems.binary.delay import (
    Load,
    Needs,
    Objective,
    alone_s,
    device_s,
    joined,
    load,
    needs,
    rates_mbps,
    total_s,
)
from edgewright.systems.binary.records import BinaryInputs, BinaryMetrics, BinaryParams, BinaryState
from edgewright.systems.binary.sampler import BinarySampler
from edgewright.systems.binary.world import BinaryWorld

__all__ = [
    "BinaryInputs",
    "BinaryMetrics",
    "BinaryParams",
    "BinarySampler",
    "BinaryState",
    "BinaryWorld",
    "Load",
    "Needs",
    "Objective",
    "alone_s",
    "device_s",
    "joined",
    "load",
    "needs",
    "rates_mbps",
    "total_s",
]
