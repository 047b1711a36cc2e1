"""AIGC offloading: joint location and quality (SE-PPO)."""

from edgewright.systems.aigc.costs import (
    Service,
    for_device,
    need,
    pick,
    price,
    price_list,
    task_work,
    weights,
)
from edgewright.systems.aigc.records import AigcInputs, AigcMetrics, AigcParams, AigcState
from edgewright.systems.aigc.world import AigcWorld

__all__ = [
    "AigcInputs",
    "AigcMetrics",
    "AigcParams",
    "AigcState",
    "AigcWorld",
    "Service",
    "for_device",
    "need",
    "pick",
    "price",
    "price_list",
    "task_work",
    "weights",
]
