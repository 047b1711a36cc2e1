"""Solve for the best contract under the whole set of constraints, with cvxpy and Clarabel (B.5).

All constraints are linear in work and payments and the profit is concave: a convex program, solved
globally. Clarabel (Goulart and Chen, arXiv 2405.12762) handles the cones of the logarithm and of
the root. It needs the extra ``exact``.
"""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.physics.contract import Regime
from edgewright.systems.contract.baselines import float64
from edgewright.systems.contract.baselines.float64 import Markets, Menus

REMEDIES = {
    "infeasible": "no menu meets all constraints: check qmax, and what payments may be",
    "unbounded": "the profit has no limit: give qmax, and types of positive willingness",
}


@dataclasses.dataclass(frozen=True)
class Solution:
    """The best menu of one market, what it earns, and how the solver ended."""

    menu: Menus
    profit: float
    status: str


@dataclasses.dataclass(frozen=True)
class _Unknowns:
    """The unknown work and payments of a menu, as variables of cvxpy."""

    x1: Any
    r1: Any
    x2: Any
    r2: Any


def solve(market: Markets, regime: Regime, extra: Any = None) -> Solution:
    """Return the best contract of one market (B.5).

    Args:
        market: NumPy arrays of float64.
        regime: which constraints of participation hold.
        extra: (the unknowns ``x1 [K]``, ``r1``, ``x2 [K, K]``, ``r2``) to further constraints.

    Raises:
        InputError: the program is infeasible, unbounded, or the solver failed on it; the message
            holds the market.
    """
    cp = _cvxpy()
    count = len(market.theta)
    x2, r2 = cp.Variable((count, count), nonneg=True), cp.Variable((count, count))
    unknown = _Unknowns(cp.Variable(count, nonneg=True), cp.Variable(count), x2, r2)
    limits = _constraints(cp, market, unknown, regime)
    limits += list(extra(unknown)) if extra is not None else []
    problem = cp.Problem(cp.Maximize(_profit(cp, market, unknown)), limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an inaccurate solution is refused below
            problem.solve(solver=cp.CLARABEL)
        status = str(problem.status)
    except cp.error.SolverError:
        status = "numerical failure"
    if status != "optimal":
        raise unsolved(market, regime, status)
    menu = float64.as_menu(
        x1=np.maximum(unknown.x1.value, 0.0),
        r1=np.asarray(unknown.r1.value),
        x2=np.maximum(x2.value, 0.0),
        r2=np.asarray(r2.value),
    )
    return Solution(menu, float(problem.value), status)


def unsolved(market: Markets, regime: Regime, status: str) -> InputError:
    """Return the error of a program that was not solved, with the market that caused it."""
    numbers = "; ".join(
        f"{f.name} = {np.array2string(np.asarray(getattr(market, f.name)), precision=6)}"
        for f in dataclasses.fields(market)  # pyright: ignore[reportArgumentType]
    ).replace("\n", "")
    word = status.replace("_", " ")
    hint = REMEDIES.get(
        status, "scale the market: amounts and values between 0.01 and 100 are safe"
    )
    return InputError(f"the best contract is not known: {word}, for {numbers}", where=regime,
                      hint=hint)  # fmt: skip


def program_text() -> str:
    """Return the source of the program: what a stored optimum was computed by."""
    return "".join(inspect.getsource(part) for part in (_profit, _value, _constraints))


def _profit(cp: Any, market: Markets, unknown: _Unknowns) -> Any:
    """Return ``Pi`` (B.3) as an expression; work outside of the prior counts for nothing."""
    reach = market.discount * market.prior[:, None] * market.transition
    first = market.prior @ (_value(cp, market, unknown.x1, 0) - unknown.r1)
    return first + cp.sum(cp.multiply(reach, _value(cp, market, unknown.x2, 1) - unknown.r2))


def _value(cp: Any, market: Markets, x: Any, period: int) -> Any:
    """Return ``sigma ln(1 + eta q(x))`` by the rules of disciplined convex programming."""
    a, b = float(market.linear), float(market.quadratic)
    q = x / a if b == 0 else (cp.sqrt(a * a + 2 * b * x) - a) / b
    return float(market.sigma[period]) * cp.log(1 + float(market.eta) * q)


def _constraints(cp: Any, market: Markets, unknown: _Unknowns, regime: Regime) -> list[Any]:
    """Return IC1, IC2, the participation of the regime, and the largest work (B.4)."""
    count, cost = len(market.theta), 1 / market.theta
    x1, r1, x2, r2 = unknown.x1, unknown.r1, unknown.x2, unknown.r2
    own = r2 - cp.multiply(np.tile(cost, (count, 1)), x2)
    top = float(market.linear * market.q_max + market.quadratic * market.q_max**2 / 2)
    limits = [x1 <= top, x2 <= top] if np.isfinite(top) else []
    types = range(count)
    utility = [
        [r1[h] - cost[i] * x1[h] + market.discount * (market.transition[i] @ own[h]) for i in types]
        for h in types
    ]
    for h in types:
        limits += [utility[i][i] >= utility[h][i] for i in types if i != h]
        for j in types:
            limits += [own[h, j] >= r2[h, k] - cost[j] * x2[h, k] for k in types if k != j]
    if regime == "per_period":
        limits.append(r1 - cp.multiply(cost, x1) >= 0)
    else:
        limits += [utility[i][i] >= 0 for i in types]
        # Payments may move between the periods. Unless that is fixed they grow, and with them what
        # the solver calls a small violation: 4.82 instead of 4.64 for the market of the tests.
        limits.append(own[:, 0] == 0)
    return limits if regime == "lifetime" else [*limits, own >= 0]


def _cvxpy() -> Any:
    """Return the library.

    Raises:
        InputError: it is not installed.
    """
    try:
        import cvxpy
    except ModuleNotFoundError as error:
        message = "the exact program needs cvxpy, which is not installed"
        hint = "pip install 'edgewright[exact]'"
        raise InputError(message, where="contract", hint=hint) from error
    return cvxpy


__all__ = ["Solution", "program_text", "solve", "unsolved"]
