"""Compute the menus of all mechanisms, for batches of markets (B.7)."""

from __future__ import annotations

import numpy as np

from edgewright.physics.contract import Regime
from edgewright.systems.contract.baselines import float64
from edgewright.systems.contract.baselines.exact import unsolved
from edgewright.systems.contract.baselines.float64 import Markets, Menus
from edgewright.systems.contract.baselines.interior_point import Concave, best_menus, maximise
from edgewright.systems.contract.baselines.static_menus import MENUS, static_menu

BEST: dict[str, Regime] = {
    "lifetime": "lifetime",
    "exit": "exit",
    "per-period": "per_period",
}
"""The best dynamic contracts, by name."""

MECHANISMS = (
    "complete-information",
    "exit",
    "per-period",
    "static",
    "frozen",
    "spot",
    "uniform",
    "linear",
)
"""The eight mechanisms of B.7; ``lifetime`` and ``exit`` are worth the same."""


def menus(name: str, market: Markets) -> Menus:
    """Return the menus ``[B, ...]`` of one mechanism for a batch ``[B]`` of markets.

    Raises:
        InputError: the best contract of a market is not known; the message holds it.
    """
    market = float64.as_float64(market)
    if name in BEST:
        return best_menus(market, BEST[name])
    if name == "spot":
        return spot(market)
    each = [MENUS[name](float64.one(market, index)) for index in range(len(market.theta))]
    return float64.stacked(each)


def spot(market: Markets) -> Menus:
    """Return the menus of a cloud that cannot commit and learns from period 1 (B.7).

    Row ``i`` of period 2 is the best static menu for those who were ``i``; period 1 must pay a
    server for being found out (the ratchet effect; Laffont and Tirole, Econometrica 1988). All
    types separate in period 1, which the cloud need not want.

    Raises:
        InputError: no payments separate the types of a market.
    """
    batch, count = market.theta.shape
    x2, r2 = np.empty((2, batch, count, count))
    for index in range(batch):
        each = float64.one(market, index)
        for i in range(count):
            x2[index, i], r2[index, i] = static_menu(each, each.transition[i], 1)
    rents = r2 - x2 / market.theta[:, None, :]
    later = market.discount[:, None, None] * np.einsum("bij,bhj->bih", market.transition, rents)
    z = _first_period(market, later)
    return float64.as_menu(
        x1=z[:, :count], r1=z[:, count:] + z[:, :count] / market.theta, x2=x2, r2=r2
    )


def _first_period(market: Markets, later: np.ndarray) -> np.ndarray:
    """Return work and gains ``[B, 2 K]`` of the best period 1, where item ``h`` brings ``later``.

    Args:
        later: ``[B, i, h]``, what type ``i`` expects of period 2 after item ``h``.
    """
    batch, count = market.theta.shape
    cost, unit = 1 / market.theta, np.eye(2 * count)
    rows = [-unit[:count], unit[:count], -unit[count:]]
    top = float64.effort(market, market.q_max)
    most = [np.zeros((batch, count)), np.tile(top[:, None], count), np.zeros((batch, count))]
    fixed = [np.broadcast_to(block, (batch, *block.shape)) for block in rows]
    for i in range(count):
        for h in range(count):
            if i != h:
                row = np.tile(unit[count + h] - unit[count + i], (batch, 1))
                row[:, h] = cost[:, h] - cost[:, i]
                fixed.append(row[:, None])
                most.append((later[:, i, i] - later[:, i, h])[:, None])
    program = Concave(
        market=market,
        weight=market.prior,
        sigma=np.tile(market.sigma[:, :1], count),
        price=np.concatenate([market.prior * cost, market.prior], axis=1),
        rows=np.concatenate(fixed, axis=1),
        most=np.concatenate(most, axis=1),
    )
    work = np.arange(1, count + 1) / (count + 2) * top[:, None]
    start = np.concatenate([work, np.cumsum(np.ones((batch, count)), axis=1) * top[:, None]], 1)
    z, solved = maximise(program, start)
    if not np.all(solved):
        raise unsolved(float64.one(market, int(np.argmin(solved))), "per_period", "infeasible")
    return z


__all__ = ["BEST", "MECHANISMS", "menus", "spot"]
