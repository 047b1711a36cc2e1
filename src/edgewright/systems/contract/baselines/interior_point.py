"""Solve for the best contracts of many markets at once, by an interior point method of NumPy (B.5).

The same program as ``exact``, in the unknowns ``x1``, ``x2``, ``t`` and ``g``: ``t_i`` is what a
server earns in period 1 (``per_period``) or in both (``lifetime``, ``exit``), ``g_hl = w_h,l+1 -
w_hl`` with ``w_h1 = 0``. That loses nothing: to raise a whole row of period 2 does what a payment
of period 1 does. IC2 is ``D_l x2_hl <= g_hl <= D_l x2_h,l+1``, its local constraints, which imply
the others. Mehrotra's predictor and corrector (SIAM Journal on Optimization 1992), with the Hessian
of the profit, in float64 for a batch ``[B]`` of markets.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from edgewright.physics.contract import Regime
from edgewright.systems.contract.baselines import float64
from edgewright.systems.contract.baselines.exact import unsolved
from edgewright.systems.contract.baselines.float64 import Markets, Menus

ITERATIONS, GAP, ERROR = 80, 1e-8, 1e-6
"""Steps after which a market counts as failed; complementarity and residual of a solved one."""


@dataclasses.dataclass(frozen=True)
class Concave:
    """Maximise ``sum weight V(z) - price z`` subject to ``rows z <= most``.

    Attributes:
        market: batch ``[B]``.
        weight, sigma: ``[B, n]`` of the values ``sigma ln(1 + eta q(z))`` of the first unknowns.
        price: ``[B, N]``.
        rows, most: ``[B, M, N]`` and ``[B, M]``; the first ``2 n`` keep ``0 <= z <= top``.
    """

    market: Markets
    weight: np.ndarray
    sigma: np.ndarray
    price: np.ndarray
    rows: np.ndarray
    most: np.ndarray

    def slopes(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient ``[B, N]`` and the diagonal of the Hessian of the *cost*."""
        n, market = self.weight.shape[1], self.market
        a, b, eta = (v[:, None] for v in (market.linear, market.quadratic, market.eta))
        q = float64.contribution(market, z[:, :n])
        inner, outer = a + b * q, 1 + eta * q
        slope = self.sigma * eta / (inner * outer)
        bend = slope * (eta * inner + b * outer) / (inner * outer * inner)
        gradient, curve = self.price.copy(), np.zeros_like(self.price)
        gradient[:, :n] -= self.weight * slope
        curve[:, :n] = self.weight * bend
        return gradient, curve


def best_menus(market: Markets, regime: Regime) -> Menus:
    """Return the best contract of every market of a batch (B.5).

    Raises:
        InputError: a market was not solved; the message holds it.
    """
    program = _program(market, regime)
    z, solved = maximise(program, _start(market))
    if not np.all(solved):
        worst = int(np.argmin(solved))
        raise unsolved(float64.one(market, worst), regime, "numerical failure")
    return _menu(market, z, regime)


def maximise(program: Concave, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best ``z [B, N]`` and which markets ``[B]`` were solved.

    Args:
        z: where to begin; its first ``n`` numbers lie strictly between 0 and the most work.
    """
    rows, most = program.rows, program.most
    slack = np.maximum(most - np.einsum("bmn,bn->bm", rows, z), 0.1)
    price = np.ones_like(slack)
    solved = np.zeros(len(z), bool)
    for _ in range(ITERATIONS):
        gradient, curve = program.slopes(z)
        dual = gradient + np.einsum("bmn,bm->bn", rows, price)
        primal = np.einsum("bmn,bn->bm", rows, z) + slack - most
        mean = np.mean(slack * price, axis=1)
        error = np.maximum(np.abs(dual).max(axis=1), np.abs(primal).max(axis=1))
        solved = (mean < GAP) & (error < ERROR)
        if np.all(solved):
            break
        newton = _Newton.of(rows, curve, slack, price)
        _, d_slack, d_price = newton.step(dual, primal, slack * price)
        after = np.mean(
            (slack + _length(slack, d_slack) * d_slack)
            * (price + _length(price, d_price) * d_price), axis=1
        )  # fmt: skip
        centre = np.maximum((after / mean) ** 3, 0.1) * mean
        centre = np.where(error > 1e3 * mean, mean, centre)  # first the gradient, then the corner
        target = slack * price + d_slack * d_price - centre[:, None]
        dz, d_slack, d_price = newton.step(dual, primal, target)
        step = 0.99 * np.minimum(_length(slack, d_slack), _length(price, d_price))
        step = np.where(solved[:, None], 0.0, step)
        z, slack, price = z + step * dz, slack + step * d_slack, price + step * d_price
    return z, solved


@dataclasses.dataclass(frozen=True)
class _Newton:
    """The linear system of one point, solved for two right-hand sides."""

    rows: np.ndarray
    matrix: np.ndarray  # with a diagonal of 1
    scale: np.ndarray
    slack: np.ndarray
    price: np.ndarray

    @classmethod
    def of(
        cls, rows: np.ndarray, curve: np.ndarray, slack: np.ndarray, price: np.ndarray
    ) -> _Newton:
        weighted = rows * (price / slack)[..., None]
        matrix = np.einsum("bmi,bmj->bij", rows, weighted, optimize=True)
        diagonal = np.arange(rows.shape[2])
        matrix[:, diagonal, diagonal] += curve
        scale = 1 / np.sqrt(matrix[:, diagonal, diagonal])
        matrix *= scale[:, :, None] * scale[:, None, :]
        matrix[:, diagonal, diagonal] += 1e-14
        return cls(rows, matrix, scale, slack, price)

    def step(
        self, dual: np.ndarray, primal: np.ndarray, complementary: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the changes of the unknowns, slacks and prices."""
        moved = (self.price * primal - complementary) / self.slack
        right = -dual - np.einsum("bmn,bm->bn", self.rows, moved)
        dz = self.scale * np.linalg.solve(self.matrix, (self.scale * right)[..., None])[..., 0]
        d_slack = -primal - np.einsum("bmn,bn->bm", self.rows, dz)
        return dz, d_slack, -(complementary + self.price * d_slack) / self.slack


def _length(value: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return the longest step ``[B, 1]``, at most 1, that keeps ``value`` positive."""
    ratio = np.where(change < 0, -value / np.where(change < 0, change, -1.0), 1.0)
    return np.minimum(1.0, ratio.min(axis=1, keepdims=True))


def _start(market: Markets) -> np.ndarray:
    """Return where to begin: work that rises evenly, and rents between their bounds."""
    batch, count = market.theta.shape
    top = float64.effort(market, market.q_max)[:, None]
    work = np.arange(1, count + 1) / (count + 2) * top
    cost = 1 / market.theta
    rise = (cost[:, :-1] - cost[:, 1:]) * (work[:, :-1] + work[:, 1:]) / 2
    gain = np.cumsum(np.ones((batch, count)), axis=1) * top
    return np.concatenate(
        [work, np.tile(work, (1, count)), gain, np.tile(rise, (1, count))], axis=1
    )


def _program(market: Markets, regime: Regime) -> Concave:
    """Return the program of the best contract."""
    batch, count = market.theta.shape
    size, steps = count + count * count, count - 1
    names = _Columns(count)
    cost, discount = 1 / market.theta, market.discount
    step = cost[:, :-1] - cost[:, 1:]
    survivor = np.cumsum(market.transition[..., ::-1], axis=2)[..., ::-1]
    worth = discount[:, None, None] * survivor[:, :, 1:]  # (i, l) of an increment of a row
    reach = discount[:, None, None] * market.prior[..., None] * market.transition
    weight = np.concatenate([market.prior, reach.reshape(batch, -1)], axis=1)
    sigma = np.repeat(market.sigma, [count, count * count], axis=1)
    own = 0.0 if regime == "per_period" else 1.0
    price = np.zeros((batch, names.total))
    price[:, :count] = market.prior * cost
    price[:, count:size] = (reach * cost[:, None, :]).reshape(batch, -1)
    price[:, names.gain(0) : names.gain(count)] = market.prior
    if regime == "per_period":
        earned = market.prior[..., None] * worth
        price[:, names.gain(count) :] = earned.reshape(batch, -1)
    rows = []
    for i in range(count):  # U_i >= U_h(i), each U written with t and g
        for h in range(count):
            if i == h:
                continue
            row = np.zeros((batch, names.total))
            row[:, names.gain(i)], row[:, names.gain(h)] = -1.0, 1.0
            row[:, h] = cost[:, h] - cost[:, i]
            row[:, names.rise(h)] = worth[:, i] - own * worth[:, h]
            row[:, names.rise(i)] -= (1.0 - own) * worth[:, i]
            rows.append(row)
    for h in range(count):
        for j in range(steps):
            low, high = np.zeros((2, batch, names.total))
            rise = names.rise(h).start + j
            low[:, names.second(h, j)], low[:, rise] = step[:, j], -1.0
            high[:, names.second(h, j + 1)], high[:, rise] = -step[:, j], 1.0
            rows += [low, high]
    return Concave(market, weight, sigma, price, *_bounded(market, rows, size, names))


@dataclasses.dataclass(frozen=True)
class _Columns:
    """Columns of the unknowns ``x1``, ``x2``, ``t``, ``g`` of ``count`` types."""

    count: int

    @property
    def total(self) -> int:
        return 2 * self.count**2 + self.count

    def second(self, h: int, j: int) -> int:
        return self.count + h * self.count + j

    def gain(self, i: int) -> int:
        return self.count + self.count**2 + i

    def rise(self, h: int) -> slice:
        start = self.gain(self.count) + h * (self.count - 1)
        return slice(start, start + self.count - 1)


def _bounded(
    market: Markets, rows: list[np.ndarray], size: int, names: _Columns
) -> tuple[np.ndarray, np.ndarray]:
    """Return all rows and their limits, those of work and gains among them."""
    batch = len(market.theta)
    top = float64.effort(market, market.q_max)
    unit = np.eye(names.total)
    bounds = np.concatenate(
        [-unit[:size], unit[:size], -unit[names.gain(0) : names.gain(names.count)]]
    )
    most = np.zeros((batch, len(bounds) + len(rows)))
    most[:, size : 2 * size] = top[:, None]
    fixed = np.broadcast_to(bounds, (batch, *bounds.shape))
    return np.concatenate([fixed, np.stack(rows, axis=1)], axis=1), most


def _menu(market: Markets, z: np.ndarray, regime: Regime) -> Menus:
    """Return the menus of the unknowns."""
    batch, count = market.theta.shape
    names, cost = _Columns(count), 1 / market.theta
    x1 = z[:, :count]
    x2 = z[:, count : names.gain(0)].reshape(batch, count, count)
    gain = z[:, names.gain(0) : names.gain(count)]
    rents = np.zeros_like(x2)
    rents[..., 1:] = np.cumsum(z[:, names.gain(count) :].reshape(batch, count, count - 1), axis=2)
    if regime != "per_period":
        gain = gain - market.discount[:, None] * np.sum(market.transition * rents, axis=2)
    r2 = rents + cost[:, None, :] * x2
    return float64.as_menu(x1=x1, r1=gain + cost * x1, x2=x2, r2=r2)


__all__ = ["Concave", "best_menus", "maximise"]
