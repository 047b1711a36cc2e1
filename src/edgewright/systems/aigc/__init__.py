"""The AIGC offloading system, in which devices choose location and quality jointly (SE-PPO)."""

from edgewright.systems.aigc.costs import (
    Service,
    Settlement,
    for_device,
    need,
    pick,
    price,
    price_list,
    settle,
    task_work,
    weights,
)
from edgewright.systems.aigc.records import AigcInputs, AigcMetrics, AigcParams, AigcState
from edgewright.systems.aigc.structure import AigcStructure
from edgewright.systems.aigc.world import AigcWorld

__all__ = [
    "AigcInputs",
    "AigcMetrics",
    "AigcParams",
    "AigcState",
    "AigcStructure",
    "AigcWorld",
    "Service",
    "Settlement",
    "for_device",
    "need",
    "pick",
    "price",
    "price_list",
    "settle",
    "task_work",
    "weights",
]
