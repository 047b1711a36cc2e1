"""Decide whether a candidate may take the place of the running policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edgewright.evaluation.statistics import Interval
from edgewright.update.estimates import HEADLINE, PolicyComparison
from edgewright.update.trust import MAX_ABSURD, MAX_LATE, MAX_LYING, Trust

MIN_AGREEMENT = 0.5
"""Least rank correlation of logged rewards with those of the calibrated simulator."""

MAX_LOSS = 0.1
"""Largest loss on the held-out log that the interval may leave open, in deviations of a reward."""

MAX_ERROR = 0.25
"""Largest median error of predicted rewards where logged inputs are played again, in deviations."""

MIN_SHOWN = 0.95
"""Least share of a candidate's decisions whose effect the log shows."""


@dataclasses.dataclass(frozen=True)
class Condition:
    """One condition of the gate.

    Attributes:
        name: what was asked, e.g. ``"held-out log"``.
        value: the number that was judged.
        rule: what it must be, in words.
    """

    name: str
    passed: bool
    value: float
    rule: str


@dataclasses.dataclass(frozen=True)
class Gate:
    """All conditions of an update."""

    conditions: tuple[Condition, ...]

    @property
    def passed(self) -> bool:
        """Return whether the candidate may decide."""
        return all(one.passed for one in self.conditions)

    @property
    def failed(self) -> list[Condition]:
        """Return the conditions that do not hold."""
        return [one for one in self.conditions if not one.passed]

    def facts(self) -> dict[str, Any]:
        """Return the gate as plain data."""
        return {"passed": self.passed, "conditions": [vars(one) for one in self.conditions]}


def trust_gate(trust: Trust, agreement: float) -> Gate:
    """Return what a log must fulfil before anything is learned from it.

    Args:
        agreement: of the log with the calibrated simulator, see :func:`.trust.agreement`.
    """
    conditions = (
        Condition(
            "absurd outcomes",
            trust.absurd <= MAX_ABSURD,
            trust.absurd,
            f"at most {MAX_ABSURD:.0%} of the outcomes",
        ),
        Condition(
            "late outcomes",
            trust.late <= MAX_LATE,
            trust.late,
            f"at most {MAX_LATE:.0%} of the outcomes",
        ),
        Condition(
            "clients that report otherwise",
            trust.lying_share <= MAX_LYING,
            trust.lying_share,
            f"at most {MAX_LYING:.0%} of the decisions",
        ),
        Condition(
            "log and simulator agree",
            agreement >= MIN_AGREEMENT,
            agreement,
            f"a rank correlation of at least {MIN_AGREEMENT:g}",
        ),
    )
    return Gate(conditions)


def replay_gate(trust: Gate, error: float, shown: float | None) -> Gate:
    """Return what a log must fulfil beside :func:`trust_gate` before its inputs are played again.

    Args:
        error: median error of the predicted rewards, in deviations of a reward.
        shown: share of the candidate's decisions whose effect the log shows; None where the physics
            of all are known.
    """
    conditions = [
        Condition(
            "predicted rewards",
            error <= MAX_ERROR,
            error,
            f"a median error of at most {MAX_ERROR:g} deviations of a reward",
        )
    ]
    if shown is not None:
        rule = f"at least {MIN_SHOWN:.0%} of the candidate's decisions"
        conditions.append(
            Condition("decisions that the log shows", shown >= MIN_SHOWN, shown, rule)
        )
    return Gate((*trust.conditions, *conditions))


def gate(
    log: Gate,
    comparison: PolicyComparison,
    reward_deviation: float,
    simulated: Interval,
    max_loss: float = MAX_LOSS,
) -> Gate:
    """Return the conditions of an update.

    Args:
        log: conditions that the log fulfils, see :func:`trust_gate`.
        comparison: candidate against running policy on the held-out log.
        reward_deviation: deviation of a logged reward, in its unit, which few outcomes must not
            move; see :func:`.trust.robust_deviation`.
        simulated: paired difference of reward in the calibrated scenario, candidate minus running.
        max_loss: loss that the interval on the log may leave open, in deviations of a reward.
    """
    allowed = -max_loss * reward_deviation
    method = HEADLINE if HEADLINE in comparison.difference else next(iter(comparison.difference))
    logged = comparison.difference[method].low
    return Gate(
        (
            *log.conditions,
            Condition(
                "held-out log",
                logged >= allowed,
                logged,
                f"lower end of the {method.replace('_', ' ')} difference at least {allowed:.4f}",
            ),
            Condition(
                "simulation",
                simulated.low > 0,
                simulated.low,
                "lower end of the paired difference above 0",
            ),
        )
    )


def explained(gate: Gate) -> str:
    """Return a sentence on the conditions that do not hold, and the remedy of the first."""
    texts = [f"{one.name} is {one.value:.4g}, must be {one.rule}" for one in gate.failed]
    return f"{'; '.join(texts)}; nothing was written\nhint: {_REMEDIES[gate.failed[0].name]}"


_REMEDIES: Mapping[str, str] = {
    "absurd outcomes": "find out who reports them; edgewright log export FILE shows each outcome",
    "late outcomes": "find out who reports them, or log where machines have no other work",
    "clients that report otherwise": "find out what those clients measure, or leave their log out",
    "log and simulator agree": "look whether rewards are those of the scenario, and their sign",
    "predicted rewards": "look for a cause that the scenario does not know, or for missing metrics",
    "decisions that the log shows": "serve with --explore 0.1, and let more decisions be logged",
    "held-out log": "let more decisions be logged, or explore more; the running policy may be good",
    "simulation": "train longer with --steps, or keep the running policy: it may be good enough",
}

__all__ = [
    "MAX_LOSS",
    "MIN_AGREEMENT",
    "Condition",
    "Gate",
    "explained",
    "gate",
    "replay_gate",
    "trust_gate",
]
