"""Measure a courier by success, cost of paths, time of a decision and quality of modules."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from edgewright.federated.courier import NEXT, ROOMS, path_cost
from edgewright.federated.modules import Model, believed_costs, moves, percepts, recognised
from edgewright.federated.settings import Settings
from edgewright.federated.shares import PIXELS, noisy, rooms_of, test_images

TIMED_DECISIONS = 200
BYTES_OF_AN_IMAGE = PIXELS
"""Bytes of a picture of 8x8 pixels with 8 bits each."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """The quality of one agent on held-out pictures.

    Attributes:
        success: share of episodes that reach the goal within ``cost_limit`` times the least cost.
        cost_ratio: cost of all moves over that of the cheapest paths; of failed episodes too.
        perception_accuracy: of perception alone; ``recognition_accuracy`` with memory.
        path_regret: by how much paths of the believed costs are dearer than the cheapest ones, in
            shares, from every room to every goal.
        imitation_accuracy: share of the expert's moves that the agent takes where it stands.
    """

    success: float
    cost_ratio: float
    perception_accuracy: float
    recognition_accuracy: float
    path_regret: float
    imitation_accuracy: float

    def facts(self) -> dict[str, float]:
        """Return the numbers by name."""
        return dataclasses.asdict(self)


def measure(settings: Settings, model: Model, seed: int) -> Measured:
    """Return how good an agent is; agents of one seed meet the same rooms and pictures."""
    rng = np.random.default_rng([seed, 4])
    clean, labels = test_images(seed)
    rooms = rooms_of(seed)
    images = noisy(settings, rng, clean)
    goals = (labels + rng.integers(1, ROOMS, len(labels))) % ROOMS
    success, cost_ratio = play(settings, model, seed)
    off_diagonal = ~np.eye(ROOMS, dtype=bool)
    paths = path_cost(rooms, believed_costs(model))[off_diagonal]
    imitated = moves(model, images, goals) == rooms.best_move(labels, goals)
    return Measured(
        success=success,
        cost_ratio=cost_ratio,
        perception_accuracy=_accuracy(percepts(model, images), labels),
        recognition_accuracy=_accuracy(recognised(model, images), labels),
        path_regret=float(np.mean(paths / rooms.distance[off_diagonal]) - 1.0),
        imitation_accuracy=float(np.mean(imitated)),
    )


def play(settings: Settings, model: Model, seed: int) -> tuple[float, float]:
    """Play the episodes that measure an agent, all side by side.

    An episode shows a fresh noisy picture of the room in every move. It ends where the courier
    enters the goal's room, or after ``max_moves``.

    Returns:
        share of successes, and cost of all moves over that of the cheapest paths.
    """
    rng = np.random.default_rng([seed, 5])
    clean, labels = test_images(seed)
    rooms, count = rooms_of(seed), settings.episodes
    at = rng.integers(0, ROOMS, count)
    goals = (at + rng.integers(1, ROOMS, count)) % ROOMS
    pictures = [np.flatnonzero(labels == digit) for digit in range(ROOMS)]
    least = rooms.distance[at, goals]
    going, spent = np.ones(count, bool), np.zeros(count)
    for _ in range(settings.max_moves):
        points = rng.random(count)
        rows = [
            pictures[room][int(point * len(pictures[room]))]
            for room, point in zip(at, points, strict=True)
        ]
        move = moves(model, noisy(settings, rng, clean[rows]), goals)
        spent += np.where(going, rooms.cost[at, move], 0.0)
        at = np.where(going, NEXT[at, move], at)
        going &= at != goals
    success = ~going & (spent <= settings.cost_limit * least)
    return float(np.mean(success)), float(spent.sum() / least.sum())


def latency(settings: Settings, model: Model, seed: int) -> dict[str, Any]:
    """Return the time of a decision at the edge, measured here, and modelled in the cloud [ms].

    The cloud's is the same inference behind a round trip and the upload of one picture.
    """
    images, labels = test_images(seed)
    goals = (labels + 1) % ROOMS
    moves(model, images[:1], goals[:1])
    taken = []
    for row in range(TIMED_DECISIONS):
        begun = time.perf_counter()
        moves(model, images[row : row + 1], goals[row : row + 1])
        taken.append(1e3 * (time.perf_counter() - begun))
    edge = float(np.median(taken))
    upload = BYTES_OF_AN_IMAGE * 8 / (settings.uplink_mbps * 1e3)
    return {
        "edge_ms": edge,
        "edge_p99_ms": float(np.quantile(taken, 0.99)),
        "cloud_ms_modelled": edge + settings.round_trip_ms + upload,
    }


def _accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))


__all__ = ["BYTES_OF_AN_IMAGE", "Measured", "latency", "measure", "play"]
