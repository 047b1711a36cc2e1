"""The best profit in the markets of an evaluation: stored for the frozen ones, else solved.

The 500 markets of the evaluation (test) and 200 others (validation) of each scenario with random
markets are frozen by their seeds. Their optima were computed by the exact program (B.5) and are
kept beside this module with a hash of that program and of the markets; ``edgewright bounds
--remake`` computes them again. All other markets are solved by the interior point method, which
agrees with the program (``tests/systems/contract``).
"""

from __future__ import annotations

import functools
import hashlib
import io
from importlib import resources
from typing import Any

import jax
import numpy as np

from edgewright.core.records import Array
from edgewright.loops.evaluate import episode_inputs
from edgewright.physics.contract import Regime
from edgewright.systems.contract.baselines import exact, float64
from edgewright.systems.contract.baselines.interior_point import best_menus
from edgewright.systems.contract.markets import market_rows
from edgewright.systems.problem import Problem

SPLITS = {"test": (20261, 500), "validation": (20262, 200)}
"""Seed and number of the frozen markets."""

FROZEN = ("contract-k2", "contract-k3")
"""Scenarios whose frozen markets have stored optima."""

REGIMES: tuple[Regime, ...] = ("exit", "per_period")
"""Regimes whose optima are stored; that of ``lifetime`` is that of ``exit``."""

SAME_MARKET = 1e-5
"""How far the numbers of one market may be apart where another machine drew them."""


def optimum(problem: Problem, inputs: Any) -> np.ndarray:
    """Return the best profit ``[T, E]`` in each round of the episodes, for each server.

    It is the bound of :func:`edgewright.physics.contract_response.best_response_profit` but for its
    tolerance of ties: what constraints missed by as much can add is below 1e-3.

    Raises:
        InputError: a market was not solved; the message holds it.
    """
    rows, market = market_rows(problem, inputs)
    regime: Regime = problem.world.participation
    regime = "exit" if regime == "lifetime" else regime
    unique, first, back = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    best = _stored_values(unique, regime)
    missing = np.isnan(best)
    if np.any(missing):
        part = float64.one(market, first[missing])
        best[missing] = float64.profit(part, best_menus(part, regime))
    return best[back.ravel()].reshape(problem.horizon, -1)


def bound(problem: Problem, inputs: Any, post_termination_reward: float) -> Array:
    """Return the mean over rounds of the best profit, for each episode ``[E]``."""
    return jax.numpy.asarray(optimum(problem, inputs).mean(axis=0), np.float32)


def frozen_inputs(problem: Problem, split: str) -> Any:
    """Return the inputs of the frozen markets of a scenario, ``"test"`` or ``"validation"``."""
    seed, count = SPLITS[split]
    key = jax.random.key(seed)
    return episode_inputs(key, problem.test_stream, count, problem.horizon, {})


def frozen_rows(problem: Problem) -> tuple[np.ndarray, Any]:
    """Return the markets of both splits, the test first, as a table and as a batch."""
    parts = [market_rows(problem, frozen_inputs(problem, split)) for split in SPLITS]
    markets = [float64.one(batch, index) for rows, batch in parts for index in range(len(rows))]
    return np.concatenate([rows for rows, _ in parts]), float64.stacked(markets)


def maker(rows: np.ndarray) -> str:
    """Return the hash of the exact program and of the markets it is solved for.

    Of the markets their means count, to four digits: machines may round the rest in other ways.
    """
    digest = hashlib.sha256(exact.program_text().encode())
    digest.update(np.array2string(rows.astype(np.float64).mean(axis=0), precision=4).encode())
    return digest.hexdigest()[:16]


def packed(rows: np.ndarray, values: dict[Regime, np.ndarray]) -> bytes:
    """Return the file of stored optima."""
    buffer = io.BytesIO()
    made_by = np.array(maker(rows))
    np.savez_compressed(buffer, markets=rows, made_by=made_by, **values)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


@functools.cache
def stored(name: str) -> dict[str, np.ndarray] | None:
    """Return the stored optima of a scenario: ``markets``, ``made_by`` and one array a regime."""
    file = resources.files("edgewright.systems.contract") / "optima" / f"{name}.npz"
    if not file.is_file():
        return None
    with np.load(io.BytesIO(file.read_bytes())) as data:
        return {key: data[key] for key in data.files}


def _stored_values(rows: np.ndarray, regime: Regime) -> np.ndarray:
    """Return the stored optimum of each market, NaN where there is none."""
    result = np.full(len(rows), np.nan)
    for name in FROZEN:
        table = stored(name)
        if table is None or table["markets"].shape[1] != rows.shape[1]:
            continue
        for index, row in enumerate(rows):
            apart = np.max(np.abs(table["markets"] - row) / np.maximum(1.0, np.abs(row)), axis=1)
            nearest = int(np.argmin(apart))
            if apart[nearest] < SAME_MARKET:
                result[index] = table[regime][nearest]
    return result


__all__ = [
    "FROZEN",
    "REGIMES",
    "SPLITS",
    "bound",
    "frozen_inputs",
    "frozen_rows",
    "maker",
    "optimum",
    "packed",
    "stored",
]
