"""Compute the closed form of the two-period screening contract, of its relaxed problem (B.6).

Only the constraints against the lie of the next lower type are kept. Baron and Besanko (1984);
Battaglini (2005); Pavan, Segal and Toikka (Econometrica 2014, doi 10.3982/ECTA10269), who name
``S_m+1 - S_m`` the impulse response of the types.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from edgewright.physics.contract import Market, Menu, effort, survivor, unit_cost

MONOTONE_TOLERANCE = 1e-5
"""How much an amount may fall, against its size, and still count as not falling (B.6)."""


def cost_steps(market: Market) -> Float[Array, " K"]:
    """Return ``D_l = c_l - c_l+1``, and 0 for the last type (B.6)."""
    cost = unit_cost(market)
    return jnp.append(cost[:-1] - cost[1:], jnp.zeros((), cost.dtype))


def impulse_response(market: Market) -> Float[Array, "K K"]:
    """Return ``S_m+1(l+1) - S_m(l+1)``, axes ``(m, l)``, and 0 for the last of both (B.6)."""
    moved = jnp.diff(survivor(market.transition)[:, 1:], axis=0)
    wide = jnp.concatenate([moved, jnp.zeros_like(moved[:, :1])], axis=1)
    return jnp.concatenate([wide, jnp.zeros_like(wide[:1])], axis=0)


def virtual_costs(market: Market) -> tuple[Float[Array, " K"], Float[Array, "K K"]]:
    """Return the costs of work to the cloud, rents included: ``nu1 [K]`` and ``nu2 [K, K]`` (B.6).

    ``nu1_m = c_m + D_m H_m`` and ``nu2_ml = c_l + D_l H_m (S_m+1(l+1) - S_m(l+1)) / P_ml``, with
    the inverse hazard ``H_m = sum of p_i over i > m, by p_m``. What cannot be reached
    (``P_ml = 0``) has no rent: see :func:`relaxed_allocation`.
    """
    cost, step = unit_cost(market), cost_steps(market)
    above = jnp.cumsum(market.prior[::-1])[::-1] - market.prior
    present = market.prior > 0
    hazard = jnp.where(present, above / jnp.where(present, market.prior, 1.0), 0.0)
    reached = market.transition > 0
    ratio = impulse_response(market) / jnp.where(reached, market.transition, 1.0)
    second = cost[None, :] + step[None, :] * hazard[:, None] * jnp.where(reached, ratio, 0.0)
    return cost + step * hazard, second


def efficient_contribution(
    market: Market, cost: Float[Array, "*s"], period: int
) -> Float[Array, "*s"]:
    """Return the ``q`` that maximises ``sigma ln(1 + eta q) - cost psi(q)`` in ``[0, qmax]`` (B.6).

    The root of ``sigma eta / (1 + eta q) = cost (a + b q)``, a quadratic in ``q``.

    Args:
        cost: of a unit of work, above 0.
        period: 0 for the first, 1 for the second.
    """
    eta, a, b = market.eta, market.linear, market.quadratic
    square, straight = b * eta, b + a * eta
    rest = market.sigma[period] * eta / cost - a
    root = jnp.sqrt(straight**2 + 4.0 * square * jnp.maximum(rest, 0.0))
    return jnp.clip(2.0 * rest / (straight + root), 0.0, market.q_max)


def relaxed_allocation(market: Market) -> tuple[Float[Array, " K"], Float[Array, "K K"]]:
    """Return the work ``x1 [K]``, ``x2 [K, K]`` that solves the relaxed problem (B.6).

    An item that nobody reaches is filled with the largest amount before it in its row.
    """
    first, second = virtual_costs(market)
    x1 = effort(market, efficient_contribution(market, first, 0))
    x2 = effort(market, efficient_contribution(market, second, 1))
    reached = market.transition > 0
    filled = jax.lax.cummax(jnp.where(reached, x2, 0.0), axis=1)
    return x1, jnp.where(reached, x2, filled)


def canonical_menu(market: Market, x1: Float[Array, " K"], x2: Float[Array, "K K"]) -> Menu:
    """Return the payments of the two chains of local constraints, with ``w_i1 = 0`` (B.6).

    ``w_ij = sum of D_l x2_il over l < j``; ``U_1 = 0`` and ``U_m+1 = U_m + D_m x1_m + delta sum_l
    D_l x2_ml (S_m+1(l+1) - S_m(l+1))``; ``r2_ij = w_ij + c_j x2_ij`` and ``r1_i = U_i + c_i x1_i -
    delta sum_j P_ij w_ij``.
    """
    cost, step = unit_cost(market), cost_steps(market)
    w = canonical_rents(market, x2)
    rise = step * x1 + market.discount * jnp.sum(step * x2 * impulse_response(market), axis=1)
    utility = jnp.cumsum(rise) - rise
    later = market.discount * jnp.sum(market.transition * w, axis=1)
    return Menu(x1=x1, r1=utility + cost * x1 - later, x2=x2, r2=w + cost * x2)


def canonical_rents(market: Market, x2: Float[Array, "K K"]) -> Float[Array, "K K"]:
    """Return the least rents of period 2, ``w_ij = sum of D_l x2_il over l < j`` (B.6)."""
    earned = cost_steps(market) * x2
    return jnp.cumsum(earned, axis=1) - earned


def relaxed_menu(market: Market) -> Menu:
    """Return the solution of the relaxed problem, optimal if it is :func:`implementable` (B.6)."""
    return canonical_menu(market, *relaxed_allocation(market))


def dominates(transition: Float[Array, "K K"]) -> Bool[Array, ""]:
    """Return whether a higher type expects a higher type: ``S_i(j)`` rises with ``i`` (B.1)."""
    return jnp.all(jnp.diff(survivor(transition), axis=0) >= -MONOTONE_TOLERANCE)


def implementable(
    market: Market, x1: Float[Array, " K"], x2: Float[Array, "K K"]
) -> Bool[Array, ""]:
    """Return whether the canonical payments of an allocation meet all constraints (B.6).

    Sufficient: ``x1`` rises with the type, ``x2`` with both types, and the types keep first-order
    stochastic dominance. Otherwise the relaxed value is an upper bound only.
    """
    slack = MONOTONE_TOLERANCE * jnp.maximum(1.0, jnp.max(x2))
    rising = [jnp.diff(x1), jnp.diff(x2, axis=0), jnp.diff(x2, axis=1)]
    monotone = jnp.stack([jnp.all(step >= -slack) for step in rising])
    # An item that is not reached should be 0 if others earn rents by it.
    priced = (market.transition <= 0) & (impulse_response(market) > 0) & (x2 > slack)
    return jnp.all(monotone) & dominates(market.transition) & ~jnp.any(priced)


__all__ = [
    "MONOTONE_TOLERANCE",
    "canonical_menu",
    "canonical_rents",
    "cost_steps",
    "dominates",
    "efficient_contribution",
    "implementable",
    "impulse_response",
    "relaxed_allocation",
    "relaxed_menu",
    "virtual_costs",
]
