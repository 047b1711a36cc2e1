"""Two-period dynamic contracts for the construction of AI agents (EDMSAC)."""

from edgewright.systems.contract.records import (
    ContractInputs,
    ContractMetrics,
    ContractParams,
    ContractState,
)
from edgewright.systems.contract.world import ContractWorld

__all__ = [
    "ContractInputs",
    "ContractMetrics",
    "ContractParams",
    "ContractState",
    "ContractWorld",
]
