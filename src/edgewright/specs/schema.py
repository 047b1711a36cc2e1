"""Define what every scenario file may hold, as stdlib dataclasses, checked by pydantic.

The tables ``[world]``, ``[params]`` and ``[streams]`` belong to a system (``scenarios/aigc``).
Unknown keys are refused by :mod:`edgewright.scenarios.load` (with the nearest valid one), types and
ranges here. ``edgewright list --schema`` prints the JSON schema that falls out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, Field

from edgewright.core.settings import LARGEST, MAX_COUNT, MAX_SEED, SMALLEST


def _held(value: float) -> float:
    """Return a number that 32 bits hold.

    Raises:
        ValueError: it is too large or too small in size.
    """
    if value and not SMALLEST <= abs(value) <= LARGEST:
        raise ValueError(f"must be 0 or from {SMALLEST:g} to {LARGEST:g} in size")
    return value


_HELD = AfterValidator(_held)

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False), _HELD]
NonNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False), _HELD]
NonPositive: TypeAlias = Annotated[float, Field(le=0, allow_inf_nan=False), _HELD]
Real: TypeAlias = Annotated[float, Field(allow_inf_nan=False), _HELD]
Seed: TypeAlias = Annotated[int, Field(ge=0, le=MAX_SEED)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Percent: TypeAlias = Annotated[float, Field(ge=0, le=100)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Positives: TypeAlias = Positive | Annotated[list[Positive], Field(min_length=1)]
NonNegatives: TypeAlias = NonNegative | Annotated[list[NonNegative], Field(min_length=1)]
Shares: TypeAlias = Annotated[list[Share], Field(min_length=2)]
Utilisations: TypeAlias = (
    Annotated[float, Field(ge=0, lt=1)]
    | Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=1)]
)

Setting: TypeAlias = float | int | bool | str | list[int]
"""A setting of a learner; a learner of two has a table for each."""

WEIGHT_TOLERANCE = 1e-6

Structure = TypeVar("Structure")
Numbers = TypeVar("Numbers")
Streams = TypeVar("Streams")

Inconsistency: TypeAlias = tuple[str, str, str]
"""An inconsistency between several fields, as (key, problem, remedy)."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The episodes on which all policies are scored."""

    episodes: Annotated[int, Field(ge=2, le=MAX_COUNT)]
    seed: Seed
    post_termination_reward: Real
    baseline: str
    reference: str
    fixed_inputs: dict[str, Annotated[list[Real], Field(min_length=1)]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """The defaults of ``edgewright train``.

    Attributes:
        learner: name of the learner.
        steps: environment steps of each seed.
        evaluations: how often the greedy policy is scored on the way, at equal shares of the steps.
    """

    learner: str
    steps: Annotated[float, Field(ge=1, le=1e15, allow_inf_nan=False)]
    evaluations: Annotated[int, Field(ge=1, le=1000)] = 20


@dataclass(frozen=True, kw_only=True)
class Scenario(Generic[Structure, Numbers, Streams]):
    """One world with its numbers, its inputs and its evaluation.

    The three parameters are the dataclasses of a system: sizes and switches, numbers, inputs.
    """

    schema: Literal[1]
    name: str
    title: str
    world: Structure
    params: Numbers
    streams: Streams
    evaluation: Evaluation
    training: TrainingPlan
    learner: dict[str, Setting | dict[str, Setting]] = field(default_factory=dict)
