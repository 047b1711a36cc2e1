"""Service caching and offloading at two time scales (HADRL)."""

from edgewright.systems.caching.records import (
    CachingInputs,
    CachingMetrics,
    CachingParams,
    CachingState,
)
from edgewright.systems.caching.structure import CachingStructure
from edgewright.systems.caching.world import CachingWorld

__all__ = [
    "CachingInputs",
    "CachingMetrics",
    "CachingParams",
    "CachingState",
    "CachingStructure",
    "CachingWorld",
]
