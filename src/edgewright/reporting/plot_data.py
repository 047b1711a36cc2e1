"""Hold the data of figures, such as curves, levels, rows and operating points."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from edgewright.evaluation.statistics import Interval


@dataclass(frozen=True)
class Curve:
    """One learner's progress: ``steps`` [k] and ``values`` [seeds, k], in the unit of the axis."""

    label: str
    steps: ArrayLike
    values: ArrayLike


@dataclass(frozen=True)
class Line:
    """A constant level of a rule, an oracle or (``is_bound``) an upper bound."""

    label: str
    value: float
    is_bound: bool = False


@dataclass(frozen=True)
class Row:
    """One policy's estimate and interval; ``group`` is a key of `GROUPS`."""

    label: str
    group: str
    estimate: float
    low: float
    high: float

    @classmethod
    def of(cls, label: str, group: str, interval: Interval) -> Row:
        """Return the row of an interval."""
        return cls(label, group, interval.estimate, interval.low, interval.high)


@dataclass(frozen=True)
class Operating:
    """The operating point of a policy, in mean delay (s), energy (J) and quality (1) per task."""

    label: str
    group: str
    delay_s: float
    energy_j: float
    quality: float
