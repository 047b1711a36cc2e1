"""Claims of a paper, what was measured for each, and the verdicts on them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

from edgewright.evaluation.statistics import Interval
from edgewright.studies.table import Table

Status = Literal["reproduced", "not reproduced", "not comparable"]
STATUSES: tuple[Status, ...] = ("reproduced", "not reproduced", "not comparable")


@dataclasses.dataclass(frozen=True)
class Measured:
    """The measured number of a claim with its 95 % interval.

    Attributes:
        estimate, low, high: the number and the ends of its interval, in ``unit``.
        quantity: the measured quantity in words, e.g. ``"score of se-ppo less that of ppo"``.
        seeds: number of seeds behind the number.
        why_not: why the claim is not comparable; empty if it is.
    """

    estimate: float
    low: float
    high: float
    quantity: str
    seeds: int
    unit: str = ""
    why_not: str = ""


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of a paper, and the region in which a measured number reproduces it.

    Attributes:
        key: name of the claim.
        figure: figure or section of the paper that states the claim.
        text: the claim in our words.
        published: the number or the order that the paper prints, as text.
        setting: name of the setting that the claim is tested in.
        measure: returns the measured number from the table of results.
        region: the claim is reproduced if the whole interval lies between these two numbers.
    """

    key: str
    figure: str
    text: str
    published: str
    setting: str
    measure: Callable[[Table], Measured]
    region: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A claim with its measured number and the judgement on it."""

    claim: str
    figure: str
    text: str
    setting: str
    published: str
    measured: float | None
    low: float | None
    high: float | None
    unit: str
    status: Status
    reason: str
    seeds: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return dataclasses.asdict(self)


def judge_claim(claim: Claim, table: Table) -> Verdict:
    """Return the verdict on a claim.

    A claim is reproduced if the whole interval lies in its region. It is not reproduced if the
    interval lies outside, or across an end of the region. It is not comparable if the measure
    gives a reason, or if the interval is not finite.
    """
    result = claim.measure(table)
    ends = (result.estimate, result.low, result.high)
    numbers = [x if math.isfinite(x) else None for x in ends]
    status, why = _status(result, claim.region)
    return Verdict(
        claim=claim.key,
        figure=claim.figure,
        text=claim.text,
        setting=claim.setting,
        published=claim.published,
        measured=numbers[0],
        low=numbers[1],
        high=numbers[2],
        unit=result.unit,
        status=status,
        reason=f"{result.quantity}: {why}",
        seeds=result.seeds,
    )


def _status(result: Measured, region: tuple[float, float]) -> tuple[Status, str]:
    if result.why_not:
        return "not comparable", result.why_not
    if not all(math.isfinite(x) for x in (result.estimate, result.low, result.high)):
        return "not comparable", "the interval is not finite"
    lowest, highest = region
    if lowest <= result.low and result.high <= highest and result.low != result.high:
        return "reproduced", f"the whole interval lies {_words(region)}"
    if lowest <= result.low == result.high <= highest:
        return "reproduced", f"the value lies {_words(region)}"
    if result.high < lowest or result.low > highest:
        end, side = (lowest, "below") if result.high < lowest else (highest, "above")
        return "not reproduced", f"the whole interval lies {side} {end:g}"
    crossed = [end for end in region if math.isfinite(end) and result.low < end < result.high]
    if not crossed:
        reason = f"the interval touches the end of what was claimed, {_words(region)}"
        return "not reproduced", reason
    across = " and ".join(f"{end:g}" for end in crossed)
    inside = lowest <= result.estimate <= highest
    what = "not shown" if inside else "not shown, and the estimate speaks against it"
    return "not reproduced", f"the interval reaches across {across}: {what}"


def _words(region: tuple[float, float]) -> str:
    low, high = region
    if math.isinf(high):
        return f"above {low:g}"
    if math.isinf(low):
        return f"below {high:g}"
    return f"between {low:g} and {high:g}"


def measured(
    interval: Interval, quantity: str, seeds: int, unit: str = "", *, why_not: str = ""
) -> Measured:
    """Return an interval as the measured number of a claim."""
    return Measured(
        interval.estimate, interval.low, interval.high, quantity, seeds, unit, why_not=why_not
    )
