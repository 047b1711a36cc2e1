"""Define the task of the agent, a courier that finds its way by pictures of digits.

Ten rooms stand in a ring. A room shows a noisy picture of its digit. From a room a courier moves
to the next room, to the one before, or across the ring; every edge has a cost that it must learn
from logs. It has to reach the room of a goal digit cheaply (systems/contract, section F.1, [I]).
"""

from __future__ import annotations

import dataclasses

import numpy as np

ROOMS, MOVES = 10, 3
NEXT = np.stack([(np.arange(ROOMS) + step) % ROOMS for step in (1, -1, ROOMS // 2)], axis=1)
"""Room behind each edge ``[room, move]``: the next one, the one before, the one across."""

COST_LOW, COST_HIGH = 1.0, 10.0
"""Ends of the log-uniform law of the cost of an edge (R)."""
COST_NOISE = 0.5
"""Standard deviation of a logged cost around the true one (R)."""


@dataclasses.dataclass(frozen=True)
class Rooms:
    """The true cost of every edge and the least cost between rooms.

    Attributes:
        cost: ``[room, move]``.
        distance: ``[room, goal]``, of the cheapest path.
    """

    cost: np.ndarray
    distance: np.ndarray

    def best_move(self, room: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return the first move of a cheapest path, for arrays of rooms and goals."""
        return np.argmin(self.cost[room] + self.distance[NEXT[room], goal[:, None]], axis=1)


def draw_rooms(rng: np.random.Generator) -> Rooms:
    """Return rooms whose edges have costs drawn from the law above."""
    cost = np.exp(rng.uniform(np.log(COST_LOW), np.log(COST_HIGH), (ROOMS, MOVES)))
    return Rooms(cost=cost, distance=distances(cost))


def distances(cost: np.ndarray) -> np.ndarray:
    """Return the least cost ``[room, goal]`` of reaching a goal (Bellman and Ford).

    Args:
        cost: of every edge ``[room, move]``, above 0.
    """
    far = np.where(np.eye(ROOMS, dtype=bool), 0.0, np.inf)
    for _ in range(ROOMS):
        through = np.min(cost[:, :, None] + far[NEXT], axis=1)
        far = np.minimum(far, through)
    return far


def path_cost(rooms: Rooms, believed: np.ndarray) -> np.ndarray:
    """Return the true cost ``[room, goal]`` of paths that are cheapest by believed costs.

    Args:
        believed: cost of every edge ``[room, move]``, above 0.
    """
    value = believed[:, :, None] + distances(believed)[NEXT]
    move = np.argmin(value, axis=1)  # [room, goal]
    goals = np.arange(ROOMS)
    at = np.repeat(np.arange(ROOMS)[:, None], ROOMS, axis=1)
    total = np.zeros((ROOMS, ROOMS))
    for _ in range(ROOMS):  # a cheapest path visits no room twice
        going = at != goals
        step = move[at, goals]
        total += np.where(going, rooms.cost[at, step], 0.0)
        at = np.where(going, NEXT[at, step], at)
    return total


__all__ = ["MOVES", "NEXT", "ROOMS", "Rooms", "distances", "draw_rooms", "path_cost"]
