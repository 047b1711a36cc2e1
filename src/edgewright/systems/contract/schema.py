"""Define the tables of a contract scenario, with decoding, nominal market and inputs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from edgewright.specs.processes import ProcessSpec, lowest, process_problems
from edgewright.specs.schema import (
    WEIGHT_TOLERANCE,
    Count,
    Inconsistency,
    NonNegative,
    Positive,
    Scenario,
    Shares,
)

Willingness: TypeAlias = Annotated[list[Positive], Field(min_length=2)]
Matrix: TypeAlias = Annotated[list[Shares], Field(min_length=2)]
Discount: TypeAlias = Annotated[float, Field(gt=0, le=1)]

KINDS = {
    "theta": ("increasing",),
    "prior": ("dirichlet", "share_walk"),
    "transition": ("persistent_types", "persistence_walk"),
}
"""Processes of the inputs that are lists or tables."""

SINGLE = ("constant", "uniform", "reflected_walk", "autoregressive", "markov_chain")
"""Processes of the inputs that are one number."""

POSITIVE = ("sigma_1", "sigma_2", "eta", "linear_effort", "discount")


@dataclass(frozen=True, kw_only=True)
class ContractStreams:
    """The inputs of the contract world; what is left out stays as in ``[params]``."""

    theta: ProcessSpec | None = None
    prior: ProcessSpec | None = None
    transition: ProcessSpec | None = None
    sigma_1: ProcessSpec | None = None
    sigma_2: ProcessSpec | None = None
    eta: ProcessSpec | None = None
    linear_effort: ProcessSpec | None = None
    quadratic_effort: ProcessSpec | None = None
    discount: ProcessSpec | None = None
    servers: ProcessSpec | None = None


@dataclass(frozen=True, kw_only=True)
class ContractTable:
    """The table ``[world]``; see ``edgewright.systems.contract.ContractWorld``."""

    kind: Literal["contract"]
    types: Annotated[int, Field(ge=2, le=8)]
    actions: Literal["raw", "rent", "structured"]
    participation: Literal["lifetime", "exit", "per_period"]
    objective: Literal["penalised", "br", "hard"]


@dataclass(frozen=True, kw_only=True)
class ContractNumbers:
    """The numbers of the contract world; see ``edgewright.systems.contract.ContractParams``."""

    rounds: Count
    theta: Willingness
    prior: Shares
    transition: Matrix
    sigma: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    eta: Positive
    linear_effort: Positive
    quadratic_effort: NonNegative
    discount: Discount
    servers: Positive
    q_max: Positive
    payment_max: Positive
    rent_max: Positive
    violation_weight: NonNegative
    reward_floor: Positive
    reward_scale: Positive


ContractScenario: TypeAlias = Scenario[ContractTable, ContractNumbers, ContractStreams]


def inconsistencies(scenario: ContractScenario) -> list[Inconsistency]:
    """Return what single fields cannot see: (key, problem, remedy) for each contradiction."""
    types, numbers = scenario.world.types, scenario.params
    result: list[Inconsistency] = []
    for name in ("theta", "prior", "transition"):
        count = len(getattr(numbers, name))
        if count != types:
            message = f"has {count} entries, but world.types is {types}"
            result.append((f"params.{name}", message, f"give {types}, or change world.types"))
    if not result:
        result = _market_problems(numbers)
    for entry in dataclasses.fields(scenario.streams):
        spec = getattr(scenario.streams, entry.name)
        if spec is not None:
            result += _stream_problems(entry.name, spec, types)
    return result


def _market_problems(numbers: ContractNumbers) -> list[Inconsistency]:
    """Return what is wrong with the nominal market."""
    result: list[Inconsistency] = []
    if np.any(np.diff(numbers.theta) <= 0):
        message = f"types must increase; got {numbers.theta}"
        result.append(("params.theta", message, "list the least willing type first, none twice"))
    rows = {"params.prior": numbers.prior}
    rows |= {f"params.transition[{i}]": row for i, row in enumerate(numbers.transition)}
    for key, row in rows.items():
        if len(row) != len(numbers.theta):
            message = f"has {len(row)} entries, but there are {len(numbers.theta)} types"
            result.append((key, message, f"give {len(numbers.theta)}"))
        elif abs(sum(row) - 1) > WEIGHT_TOLERANCE:
            message = f"the probabilities sum to {sum(row):g}, not 1"
            result.append((key, message, "divide each by the sum"))
    return result


def _stream_problems(name: str, spec: ProcessSpec, types: int) -> list[Inconsistency]:
    """Return what is wrong with one entry of ``[streams]``."""
    key, allowed = f"streams.{name}", KINDS.get(name, SINGLE)
    if spec.kind not in allowed:
        message = f"kind = '{spec.kind}' cannot draw this input"
        return [(key, message, f"use one of: {', '.join(allowed)}")]
    law = getattr(spec, "law", None)
    if law is not None and len(law) != types:
        message = f"has {len(law)} probabilities, but world.types is {types}"
        return [(f"{key}.law", message, f"give {types}")]
    least = lowest(spec)
    if name in POSITIVE and least is not None and least <= 0:
        return [(key, f"may fall to {least:g}", "let it stay above 0")]
    if getattr(spec, "gap_low", 1.0) <= 0 or (name == "theta" and getattr(spec, "low", 1.0) <= 0):
        return [(key, "types must increase from above 0", "raise low and gap_low above 0")]
    if name == "discount" and getattr(spec, "high", getattr(spec, "value", 1.0)) > 1:
        return [(key, "a discount is at most 1", "lower it")]
    return process_problems(name, spec)
