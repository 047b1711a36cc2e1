"""Compute the mechanisms that have a formula or a search in one number, for one market (B.7).

All in float64. The names are those of policies.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewright.systems.contract.baselines import float64
from edgewright.systems.contract.baselines.float64 import Markets, Menus

GRID, ZOOMS = 1001, 4
"""Prices that are tried, and how often again between the neighbours of the best one."""


def complete_information(market: Markets) -> Menus:
    """Return what the cloud would offer if it saw all types: no rents (B.7).

    It is a bound on every contract; offered to types that are not seen, all lie.
    """
    cost = 1 / market.theta
    x1, x2 = (float64.efficient(market, cost, period) for period in (0, 1))
    return repeated(x1, cost * x1, x2, cost * x2)


def static(market: Markets) -> Menus:
    """Return the best menu of each period by itself, whatever was chosen before (B.7)."""
    first = static_menu(market, market.prior, 0)
    return repeated(*first, *static_menu(market, market.prior @ market.transition, 1))


def frozen(market: Markets) -> Menus:
    """Return the best menu of period 1, offered in both periods (B.7)."""
    first = static_menu(market, market.prior, 0)
    return repeated(*first, *first)


def uniform(market: Markets) -> Menus:
    """Return the best single item of each period, for all types from the best cut-off on (B.7)."""
    first = _single_item(market, market.prior, 0)
    return repeated(*first, *_single_item(market, market.prior @ market.transition, 1))


def linear(market: Markets) -> Menus:
    """Return the contributions under the best price of each period, a unit of ``q`` (B.7).

    A Stackelberg game under asymmetric information: a server answers ``q = (price theta - a) / b``.
    """
    first = _best_price(market, market.prior, 0)
    return repeated(*first, *_best_price(market, market.prior @ market.transition, 1))


def repeated(x1: np.ndarray, r1: np.ndarray, x2: np.ndarray, r2: np.ndarray) -> Menus:
    """Return a menu whose period 2 ``[K]`` is the same after every item of period 1."""
    count = len(x1)
    return float64.as_menu(x1=x1, r1=r1, x2=np.tile(x2, (count, 1)), r2=np.tile(r2, (count, 1)))


def static_menu(market: Markets, prior: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray]:
    """Return work and payments ``[K]`` of the best menu of one period (B.7).

    ``nu_k = c_k + D_k H_k``; where the amounts would fall with the type, neighbours are pooled at
    their mean cost (ironing; Mussa and Rosen, Journal of Economic Theory 1978). ``r_k = r_k-1 +
    c_k (x_k - x_k-1)``.
    """
    cost = 1 / market.theta
    step = np.append(cost[:-1] - cost[1:], 0)
    above = np.cumsum(prior[::-1])[::-1] - prior
    blocks: list[list[float]] = []  # weight, weight times virtual cost, types
    for weight, total in zip(prior, prior * cost + step * above, strict=True):
        blocks.append([weight, total, 1])
        while len(blocks) > 1 and blocks[-1][1] * blocks[-2][0] >= blocks[-2][1] * blocks[-1][0]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    nu = np.concatenate(
        [np.full(int(n), total / weight if weight > 0 else np.inf) for weight, total, n in blocks]
    )
    x = float64.efficient(market, nu, period)
    return x, np.cumsum(cost * np.diff(x, prepend=0))


def _single_item(market: Markets, prior: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray]:
    cost = 1 / market.theta
    accept = np.cumsum(prior[::-1])[::-1]
    x = float64.efficient(market, cost, period)
    earned = accept * (float64.value(market, x, period) - cost * x)
    best = int(np.argmax(earned))
    joined = np.arange(len(cost)) >= best
    return np.where(joined, x[best], 0.0), np.where(joined, cost[best] * x[best], 0.0)


def _best_price(market: Markets, prior: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray]:
    a, b, top = market.linear, market.quadratic, market.q_max

    def answers(price: np.ndarray) -> np.ndarray:
        worth = price[..., None] * market.theta - a
        if b == 0:
            return np.where(worth > 0, top, 0.0)
        return np.clip(worth / b, 0, top)

    def earned(price: np.ndarray) -> np.ndarray:
        q = answers(price)
        worth = float64.value(market, float64.effort(market, q), period)
        return np.sum(prior * (worth - price[..., None] * q), axis=-1)

    low, high = float(a / market.theta[-1]), float((a + b * top) / market.theta[0])
    high = max(high, low * (1 + 1e-9))
    best, prices = 0, np.array([low])
    for _ in range(ZOOMS):
        prices = np.linspace(low, high, GRID)
        best = int(np.argmax(earned(prices)))
        low, high = prices[max(best - 1, 0)], prices[min(best + 1, GRID - 1)]
    q = answers(prices[best])
    return float64.effort(market, q), prices[best] * q


MENUS: dict[str, Callable[[Markets], Menus]] = {
    "complete-information": complete_information,
    "static": static,
    "frozen": frozen,
    "uniform": uniform,
    "linear": linear,
}
"""Mechanisms of one market by name."""

__all__ = [
    "MENUS",
    "complete_information",
    "frozen",
    "linear",
    "repeated",
    "static",
    "static_menu",
    "uniform",
]
