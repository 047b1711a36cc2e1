"""Hold the outcomes of blocks, paired by request over policies and simulations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from edgewright.testbed.objective import DONE, Arrival, Objective, Outcome
from edgewright.testbed.world_replay import Reading

SEGMENTS = 4
"""Parts of a block that are drawn together, as requests near in time share queues."""

TESTBED, VIRTUAL, DISCRETE, WORLD = "testbed", "virtual clock", "discrete events", "world"
SLOTS, SIZES, BETWEEN = "world in slots", "with sizes of answers", "with arrivals between slots"
RUNGS = (SLOTS, SIZES, BETWEEN, WORLD, DISCRETE, VIRTUAL, TESTBED)
"""The ladder from the simulator of the paper to the testbed, each rung nearer to it."""

READINGS = {
    SLOTS: Reading(sizes=False, between=False, uplink=False),
    SIZES: Reading(between=False, uplink=False),
    BETWEEN: Reading(uplink=False),
    WORLD: Reading(),
}
"""How the world is read on its rungs."""

Outcomes = Mapping[str, Mapping[str, Sequence[Sequence[Outcome]]]]
"""Outcomes by rung, policy and round, in the order of the requests."""


@dataclasses.dataclass(frozen=True)
class Series:
    """Numbers of every request of one policy on one rung, rounds one after the other.

    Attributes:
        delay_s: ``[n]``; not a number where there was no answer.
        reward: ``[n]``.
        quality: ``[n]`` of answers in time, 0 for all others.
        late: ``[n]`` whether the objective was violated.
    """

    delay_s: np.ndarray
    reward: np.ndarray
    quality: np.ndarray
    late: np.ndarray


def series(
    rounds: Sequence[Sequence[Arrival]],
    outcomes: Sequence[Sequence[Outcome]],
    objective: Objective,
) -> Series:
    """Return the numbers of one policy on one rung."""
    pairs = [
        (arrival, outcome)
        for arrivals, block in zip(rounds, outcomes, strict=True)
        for arrival, outcome in zip(arrivals, block, strict=True)
    ]
    answered = [outcome.status == DONE for _, outcome in pairs]
    late = np.array([objective.late(outcome) for _, outcome in pairs], bool)
    return Series(
        delay_s=np.array(
            [o.delay_s if done else np.nan for (_, o), done in zip(pairs, answered, strict=True)]
        ),
        reward=np.array([objective.reward(arrival, outcome) for arrival, outcome in pairs]),
        quality=np.array(
            [
                0.0 if missed else objective.score[outcome.level]
                for (_, outcome), missed in zip(pairs, late, strict=True)
            ]
        ),
        late=late,
    )


def clusters(rounds: Sequence[Sequence[Arrival]]) -> list[np.ndarray]:
    """Return the indices of requests that are drawn together: segments of each round."""
    result, first = [], 0
    for arrivals in rounds:
        rows = np.arange(first, first + len(arrivals))
        result += [part for part in np.array_split(rows, SEGMENTS) if len(part)]
        first += len(arrivals)
    return result
