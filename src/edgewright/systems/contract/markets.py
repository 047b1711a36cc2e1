"""Turn the inputs of episodes into batches of markets, and back into tables that can be stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.systems.contract.baselines import float64
from edgewright.systems.contract.features import INPUTS
from edgewright.systems.problem import Problem

UNSEEN = ("servers",)
"""Inputs that the profit of one server does not depend on."""


def market_rows(problem: Problem, inputs: Any) -> tuple[np.ndarray, float64.Markets]:
    """Return the markets of episodes, as a table ``[T E, columns]`` and as a float64 batch.

    Args:
        inputs: leaves ``[T + 1, E, ...]``; a row is the market of one round, rounds first.
    """
    steps = problem.horizon
    fields = {name: np.asarray(getattr(inputs, name))[:steps] for name in INPUTS}
    count = fields["eta"].size
    flat = {name: value.reshape(count, *value.shape[2:]) for name, value in fields.items()}
    columns = [flat[name].reshape(count, -1) for name in INPUTS if name not in UNSEEN]
    columns.append(np.full((count, 1), np.asarray(problem.params.q_max)))
    exact = {name: value.astype(np.float64) for name, value in flat.items()}
    market = float64.as_market(
        theta=exact["theta"],
        prior=_normalised(exact["prior"]),
        transition=_normalised(exact["transition"]),
        sigma=np.stack([exact["sigma_1"], exact["sigma_2"]], axis=-1),
        eta=exact["eta"],
        linear=exact["linear_effort"],
        quadratic=exact["quadratic_effort"],
        discount=exact["discount"],
        q_max=np.full(count, float(problem.params.q_max)),
    )
    return np.concatenate(columns, axis=1).astype(np.float32), market


def _normalised(shares: np.ndarray) -> np.ndarray:
    """Return shares that sum to one in float64 too."""
    return shares / shares.sum(axis=-1, keepdims=True)


__all__ = ["market_rows"]
