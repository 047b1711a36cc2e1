"""Ask whether the outcomes of a log can be what happened, before anything is learned from them.

Three kinds of wrong outcomes are looked for: absurd ones, those of a client that reports otherwise
than all others do in the same states, and those of a whole log that contradict the simulator.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy import stats

from edgewright.rules.off_policy import LoggedActions, reward_model
from edgewright.update.drift import autocorrelation_time
from edgewright.update.samples import Samples, features_of

ABSURD = 12.0
"""A reward so many robust deviations from the model of all rewards is absurd."""

MAX_ABSURD = 0.01
"""Share of absurd outcomes above which nothing is learned from a log."""

MAX_LATE = 0.02
"""Share of late outcomes above which nothing is learned: twice that of an honest log of a machine
with other work, which was 0.99 %."""

MAX_LYING = 0.25
"""Share of decisions of clients that report otherwise, above which nothing is learned."""

MIN_OF_CLIENT = 30
"""Least outcomes of a client that is judged."""

LYING_LIKENESS = 0.5
"""A client lies if the model explains its rewards less than this share of those of all others."""

LYING_SHIFT = 2.0
"""A client lies if its rewards are this many deviations off the model on average."""

CERTAIN = 4.0
"""Standard errors by which either must be shown."""

_NORMAL_MAD = 1.4826


@dataclasses.dataclass(frozen=True)
class Trust:
    """The wrong outcomes of a log.

    Attributes:
        absurd: share of outcomes that cannot be, without those of clients that lie.
        lying: clients that report otherwise than the others in the same states.
        lying_share: share of the decisions that are theirs.
        unnamed: whether no client states its name, so that none can be judged.
        late: share of outcomes as far below the model whose own delay and energy give their reward.
            They count as happened, but are cut to the least reward of the others.
    """

    absurd: float
    lying: tuple[str, ...]
    lying_share: float
    unnamed: bool
    late: float = 0.0

    def facts(self) -> dict[str, object]:
        """Return the numbers by name."""
        return {**dataclasses.asdict(self), "lying": list(self.lying)}


def trusted(
    samples: Samples, actions: int, agrees: np.ndarray | None = None
) -> tuple[Samples, Trust]:
    """Return the samples without absurd outcomes and without clients that lie, and the findings.

    Rewards of late outcomes are cut to the least of the others, so that few of them move no
    estimate; the table holds them as they were reported.

    Args:
        actions: number of actions of the policy.
        agrees: ``[n]`` whether a reward is that of its own delay and energy; none if None. Such an
            outcome may be late and still have happened, but not better than can be.
    """
    reward = samples.logged.reward
    residual = residuals(samples.logged, actions)
    clients = np.array([row.client for row in samples.table.rows])
    late = np.zeros(len(reward), bool) if agrees is None else _far(residual, 0.0)[0] & agrees
    keep, trust = suspects(reward, residual, clients, late=late)
    least = np.min(reward[keep & ~late], initial=np.inf)
    cut = np.where(late, np.maximum(reward, least), reward)
    logged = dataclasses.replace(samples.logged, reward=cut)
    return dataclasses.replace(samples, logged=logged).only(keep), trust


def suspects(
    reward: np.ndarray,
    residual: np.ndarray,
    clients: np.ndarray,
    floor: float = 0.0,
    late: np.ndarray | None = None,
) -> tuple[np.ndarray, Trust]:
    """Return which outcomes ``[n]`` can be trusted, and the findings.

    Args:
        reward, residual: ``[n]`` as reported, and less what a model gives.
        clients: ``[n]`` names, empty where a client states none.
        floor: least deviation of a residual, for models that leave next to none.
        late: ``[n]`` which outcomes are late and happened, so that none is absurd; none if None.
    """
    late = np.zeros(len(reward), bool) if late is None else late
    absurd = np.logical_or(*_far(residual, floor)) & ~late
    lying = _lying(reward, residual, clients, ~absurd, floor)
    of_liars = np.isin(clients, lying)
    trust = Trust(
        absurd=float(np.mean(absurd & ~of_liars)),
        lying=tuple(lying),
        lying_share=float(np.mean(of_liars)),
        unnamed=not np.any(clients != ""),
        late=float(np.mean(late & ~of_liars)),
    )
    return ~absurd & ~of_liars, trust


def residuals(logged: LoggedActions, actions: int) -> np.ndarray:
    """Return the rewards ``[n]`` minus their model, which absurd rewards do not move."""
    middle, spread = np.median(logged.reward), robust_deviation(logged.reward)
    calm = np.clip(logged.reward, middle - 6 * spread, middle + 6 * spread)
    model = reward_model(
        dataclasses.replace(logged, reward=calm), actions, np.ones((1, len(calm)))
    )[0]
    return logged.reward - np.sum(logged.features * model[logged.action], axis=1)


def agreement(samples: Samples, simulated: Samples, actions: int) -> float:
    """Return the rank correlation of logged rewards with what the simulator would give.

    A reward model of simulated decisions predicts the reward of each logged one. Near 1 the
    simulator explains the log; near 0 it does not, and below 0 the two contradict one another.
    """
    like = simulated.rows
    known = dataclasses.replace(simulated.logged, features=features_of(like))
    model = reward_model(known, actions, np.ones((1, len(like))))[0]
    features = features_of(samples.rows, like)
    forecast = np.sum(features * model[samples.logged.action], axis=1)
    return rank_correlation(forecast, samples.logged.reward)


def robust_deviation(values: np.ndarray) -> float:
    """Return 1.4826 times the median absolute deviation of values ``[n]``, in their unit.

    Less than half of them do not move it far, whatever they are. It is tiny but not 0 where most
    values are the same.
    """
    spread = _NORMAL_MAD * float(np.median(np.abs(values - np.median(values))))
    return max(spread, 1e-9 * (1.0 + float(np.median(np.abs(values)))))


def _far(residual: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which residuals ``[n]`` are too low and too high; see :data:`ABSURD`."""
    limit = ABSURD * max(robust_deviation(residual), floor)
    away = residual - np.median(residual)
    return away < -limit, away > limit


def _lying(
    reward: np.ndarray,
    residual: np.ndarray,
    clients: np.ndarray,
    sound: np.ndarray,
    floor: float = 0.0,
) -> list[str]:
    """Return the clients whose rewards the model of all does not explain, or that are off it.

    Correlations are compared after Fisher's transform (Metron 1921), and decisions that are alike
    count once, by their autocorrelation time.
    """
    forecast, spread, lying = reward - residual, max(robust_deviation(residual[sound]), floor), []
    for name in np.unique(clients):
        own, others = clients == name, (clients != name) & sound
        if not name or own.sum() < MIN_OF_CLIENT or others.sum() < MIN_OF_CLIENT:
            continue
        count = own.sum() / max(1.0, autocorrelation_time(residual[own]))
        ours, rest = (rank_correlation(reward[rows], forecast[rows]) for rows in (own, others))
        apart = (np.arctanh(rest) - np.arctanh(ours)) * np.sqrt(max(count - 3.0, 0.0))
        shift = abs(float(np.median(residual[own]))) / spread
        unlike = ours < LYING_LIKENESS * rest and apart > CERTAIN
        if unlike or (shift > LYING_SHIFT and shift * np.sqrt(count) > CERTAIN):
            lying.append(str(name))
    return lying


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return a rank correlation that is not quite 1; 0 where either does not vary."""
    if not np.ptp(one) > 0 or not np.ptp(other) > 0:
        return 0.0
    result: Any = stats.spearmanr(one, other)
    return float(np.clip(result.statistic, -0.999, 0.999))


__all__ = [
    "ABSURD",
    "MAX_ABSURD",
    "MAX_LATE",
    "MAX_LYING",
    "Trust",
    "agreement",
    "rank_correlation",
    "residuals",
    "robust_deviation",
    "suspects",
    "trusted",
]
