"""Binary offloading with hidden scenarios (MRL)."""

from edgewright.worlds.binary.delay import (
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
from edgewright.worlds.binary.records import BinaryInputs, BinaryMetrics, BinaryParams, BinaryState
from edgewright.worlds.binary.sampler import BinarySampler
from edgewright.worlds.binary.world import BinaryWorld

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
