"""Train the four modules of a courier, and let them decide; all of it is NumPy.

A model is a dictionary of float64 arrays whose names begin with their module. Perception and
action are softmax regressions, trained by gradient descent and averaged. Memory and planning are
sums of statistics, which servers add up exactly.
"""

from __future__ import annotations

import numpy as np

from edgewright.federated.courier import COST_HIGH, COST_LOW, MOVES, NEXT, ROOMS, distances
from edgewright.federated.settings import Settings
from edgewright.federated.shares import PIXELS, Samples

Model = dict[str, np.ndarray]

SHAPES = {
    "perception/weights": (PIXELS, ROOMS),
    "perception/biases": (ROOMS,),
    "memory/sums": (ROOMS, PIXELS),
    "memory/squares": (ROOMS,),
    "memory/counts": (ROOMS,),
    "planning/sums": (ROOMS, MOVES),
    "planning/counts": (ROOMS, MOVES),
    "action/weights": (MOVES + ROOMS + ROOMS, MOVES),
    "action/biases": (MOVES,),
}
"""Shape of every array of a model."""

CONFIDENT = 0.9
"""Probability above which perception is taken as it is (R)."""
BLEND = 0.5
"""Weight of memory where perception is not confident (R)."""
PRIOR_COST = float(np.sqrt(COST_LOW * COST_HIGH))
"""Cost of an edge before any traversal of it was logged, the middle of the law (R)."""
DECAY = 1e-3
"""Weight decay of both regressions (R)."""


def init_model() -> Model:
    """Return the model before any training, all zeros."""
    return {name: np.zeros(shape) for name, shape in SHAPES.items()}


def of_module(name: str) -> str:
    """Return the module that an array belongs to."""
    return name.split("/", 1)[0]


def percepts(model: Model, images: np.ndarray) -> np.ndarray:
    """Return probabilities ``[n, 10]`` of digits from perception alone."""
    return softmax(images @ model["perception/weights"] + model["perception/biases"])


def remembered(model: Model, images: np.ndarray) -> np.ndarray:
    """Return probabilities ``[n, 10]`` from the nearest prototypes of memory.

    Gaussian classes of one variance; a digit that was never stored is as far as the average one.
    """
    counts = model["memory/counts"]
    known = counts > 0
    if not known.any():
        return np.full((len(images), ROOMS), 1.0 / ROOMS)
    means = model["memory/sums"] / np.maximum(counts, 1.0)[:, None]
    spread = model["memory/squares"].sum() - np.sum(counts * np.sum(means**2, axis=1))
    variance = max(spread / (counts.sum() * PIXELS), 1e-2)
    apart = np.sum((images[:, None] - means) ** 2, axis=2)
    apart = np.where(known, apart, np.mean(apart[:, known], axis=1, keepdims=True))
    return softmax(-apart / (2.0 * variance))


def recognised(model: Model, images: np.ndarray) -> np.ndarray:
    """Return probabilities ``[n, 10]``, with memory where perception is not confident."""
    alone = percepts(model, images)
    unsure = np.max(alone, axis=1, keepdims=True) < CONFIDENT
    logs = (1.0 - BLEND) * np.log(alone + 1e-12)
    logs += BLEND * np.log(remembered(model, images) + 1e-12)
    return np.where(unsure, softmax(logs), alone)


def believed_costs(model: Model) -> np.ndarray:
    """Return the cost ``[room, move]`` of every edge, as logged, with one pseudo-observation."""
    total = model["planning/sums"] + PRIOR_COST
    return np.maximum(total / (model["planning/counts"] + 1.0), 0.1 * COST_LOW)


def move_features(model: Model, images: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Return what the action module decides by, ``[n, 23]``.

    The disadvantage of each move by the plan, averaged over where the courier may be, the
    probabilities of the room, and the goal.
    """
    rooms = recognised(model, images)
    cost = believed_costs(model)
    value = cost[:, :, None] + distances(cost)[NEXT]  # [room, move, goal]
    expected = np.einsum("nr,rmn->nm", rooms, value[:, :, goals])
    loss = expected - expected.min(axis=1, keepdims=True)
    return np.concatenate([-loss / PRIOR_COST, rooms, np.eye(ROOMS)[goals]], axis=1)


def moves(model: Model, images: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Return the move ``[n]`` of the agent for pictures ``[n, 64]`` and goals ``[n]``."""
    scores = move_features(model, images, goals) @ model["action/weights"]
    return np.argmax(scores + model["action/biases"], axis=1)


def trained(
    settings: Settings, model: Model, modules: tuple[str, ...], samples: Samples, seed: list[int]
) -> Model:
    """Return the arrays of ``modules`` after a server's local training in one round.

    Args:
        model: what the server downloaded.
        samples: its own, at least one.
        seed: of the order of samples.

    Returns:
        new parameters of perception and action, and the server's statistics of memory and
        planning, which do not depend on the download.
    """
    rng = np.random.default_rng(seed)
    result: Model = {}
    if "perception" in modules:
        result |= _fitted(settings, model, "perception", samples.images, samples.digits, rng)
    if "memory" in modules:
        result |= _memory_sums(samples)
    if "planning" in modules:
        result |= _planning_sums(samples)
    if "action" in modules:
        features = move_features(model, samples.images, samples.goals)
        result |= _fitted(settings, model, "action", features, samples.moves, rng)
    return result


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return probabilities over the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _fitted(
    settings: Settings,
    model: Model,
    module: str,
    inputs: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
) -> Model:
    """Return a softmax regression after ``epochs`` of gradient descent on the cross-entropy."""
    weights, biases = model[f"{module}/weights"].copy(), model[f"{module}/biases"].copy()
    one_hot = np.eye(len(biases))[labels]
    for _ in range(settings.epochs):
        order = rng.permutation(len(labels))
        for begin in range(0, len(order), settings.batch_size):
            rows = order[begin : begin + settings.batch_size]
            error = softmax(inputs[rows] @ weights + biases) - one_hot[rows]
            slope = inputs[rows].T @ error / len(rows) + DECAY * weights
            weights -= settings.learning_rate * slope
            biases -= settings.learning_rate * error.mean(axis=0)
    return {f"{module}/weights": weights, f"{module}/biases": biases}


def _memory_sums(samples: Samples) -> Model:
    one_hot = np.eye(ROOMS)[samples.digits]
    return {
        "memory/sums": one_hot.T @ samples.images,
        "memory/squares": one_hot.T @ np.sum(samples.images**2, axis=1),
        "memory/counts": one_hot.sum(axis=0),
    }


def _planning_sums(samples: Samples) -> Model:
    sums, counts = np.zeros((2, ROOMS, MOVES))
    np.add.at(sums, (samples.log_rooms, samples.log_moves), samples.log_costs)
    np.add.at(counts, (samples.log_rooms, samples.log_moves), 1.0)
    return {"planning/sums": sums, "planning/counts": counts}


__all__ = [
    "SHAPES",
    "Model",
    "believed_costs",
    "init_model",
    "moves",
    "of_module",
    "percepts",
    "recognised",
    "trained",
]
