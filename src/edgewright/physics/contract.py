"""Compute payoffs, profit and violations of two-period screening contracts (B.1 to B.4).

Equation numbers ``B.x`` are those of ``docs/concepts/contract.md``. Axes: ``K`` types, from the
least to the most willing. Work is measured by its disutility ``x = psi(q)`` before the factor
``c_k = 1 / theta_k``, so that what a server earns in a period, ``r - c_k x``, is linear in both.

Principal and agents that commit to two periods: Baron and Besanko (Information Economics and
Policy 1984), Battaglini (American Economic Review 2005, doi 10.1257/0002828054201369), Laffont and
Martimort (The Theory of Incentives, 2002, chapter 8).
"""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from edgewright.core.records import record

Regime = Literal["lifetime", "exit", "per_period"]
"""What a server is free to do: nothing, leave after period 1, or refuse a loss in each period."""


@record
class Market:
    """A market with types of edge servers, how they change, and what their work is worth."""

    theta: Array  # [K] willingness, increasing; the unit cost of work is c_k = 1 / theta_k
    prior: Array  # [K] p_i, of the types in period 1
    transition: Array  # [K, K] P_ij = Pr(type j in period 2 | type i in period 1)
    sigma: Array  # [2] value of the work of period 1 and 2
    eta: Array  # [] saturation of that value
    linear: Array  # [] a in psi(q) = a q + b q^2 / 2
    quadratic: Array  # [] b
    discount: Array  # [] delta, of period 2
    q_max: Array  # [] the most that a server can contribute


@record
class Menu:
    """The items of a contract, amounts of work and payments for both periods."""

    x1: Array  # [K] work of period 1
    r1: Array  # [K] payment
    x2: Array  # [K, K] work of period 2, by the item of period 1 and the type of period 2
    r2: Array  # [K, K] payment


def unit_cost(market: Market) -> Float[Array, " K"]:
    """Return the cost ``c_k = 1 / theta_k`` of a unit of work for each type (B.1)."""
    return 1.0 / market.theta


def effort(market: Market, q: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return the work ``x = psi(q) = a q + b q^2 / 2`` of a contribution (B.1)."""
    return market.linear * q + 0.5 * market.quadratic * q * q


def contribution(market: Market, x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return the contribution ``q(x)`` that work buys, the inverse of ``psi`` (B.1).

    Written ``2 x / (sqrt(a^2 + 2 b x) + a)``, which loses no digits and holds for ``b = 0``.
    """
    root = jnp.sqrt(market.linear**2 + 2.0 * market.quadratic * x)
    return 2.0 * x / (root + market.linear)


def value(market: Market, x: Float[Array, "*s"], period: int) -> Float[Array, "*s"]:
    """Return what work is worth to the cloud, ``sigma_t ln(1 + eta q(x))`` (B.1).

    Args:
        period: 0 for the first, 1 for the second.
    """
    return market.sigma[period] * jnp.log1p(market.eta * contribution(market, x))


def survivor(transition: Float[Array, "K K"]) -> Float[Array, "K K"]:
    """Return ``S_i(j) = sum of P_im over m >= j`` (B.1)."""
    return jnp.cumsum(transition[:, ::-1], axis=1)[:, ::-1]


def second_payoff(market: Market, menu: Menu) -> Float[Array, "K K K"]:
    """Return ``w_hj(j') = r2_hj' - c_j x2_hj'``, axes ``(h, j, j')`` (B.3).

    Type ``j`` of period 2, who chose item ``h`` in period 1, takes the item of type ``j'``.
    """
    cost = unit_cost(market)[None, :, None]
    return menu.r2[:, None, :] - cost * menu.x2[:, None, :]


def honest_second(market: Market, menu: Menu) -> Float[Array, "K K"]:
    """Return ``w_hj``, what type ``j`` earns in period 2 with its own item of row ``h`` (B.3)."""
    return menu.r2 - unit_cost(market) * menu.x2


def first_payoff(market: Market, menu: Menu) -> Float[Array, "K K"]:
    """Return ``u1_h(i) = r1_h - c_i x1_h``, axes ``(h, i)``: type ``i`` takes item ``h`` (B.3)."""
    return menu.r1[:, None] - unit_cost(market)[None, :] * menu.x1[:, None]


def reported_utility(market: Market, menu: Menu) -> Float[Array, "K K"]:
    """Return ``U_h(i) = u1_h(i) + delta sum_j P_ij w_hj``, axes ``(h, i)`` (B.3).

    Type ``i`` chooses item ``h`` and takes its own item in period 2; its diagonal is ``U_i``.
    """
    later = honest_second(market, menu) @ market.transition.T
    return first_payoff(market, menu) + market.discount * later


def own_item(utility: Float[Array, "K K"]) -> Float[Array, " K"]:
    """Return the diagonal: what every type earns from its own item (B.3)."""
    own = jnp.eye(utility.shape[0], dtype=bool)
    return jnp.sum(jnp.where(own, utility, 0.0), axis=0)


def profit(market: Market, menu: Menu) -> Float[Array, ""]:
    """Return the cloud's profit for each server if all take their own items, ``Pi`` (B.3)."""
    first = value(market, menu.x1, 0) - menu.r1
    second = value(market, menu.x2, 1) - menu.r2
    later = jnp.sum(market.transition * second, axis=1)
    return jnp.sum(market.prior * (first + market.discount * later))


def incentive_violation(market: Market, menu: Menu) -> Float[Array, ""]:
    """Return the gains from lying: the largest of each type, and of each type and history (B.4).

    ``sum_i max_h (U_h(i) - U_i)+ + sum_hj max_j' (w_hj(j') - w_hj)+``, of IC1 and IC2.
    """
    utility = reported_utility(market, menu)
    first = jnp.max(utility, axis=0) - own_item(utility)
    second = jnp.max(second_payoff(market, menu), axis=2) - honest_second(market, menu)
    return jnp.sum(first) + jnp.sum(second)


def participation_violation(market: Market, menu: Menu, regime: Regime) -> Float[Array, ""]:
    """Return by how much the items fall short of what servers may refuse (B.4).

    ``lifetime``: ``U_i >= 0``; ``exit``: ``w_ij >= 0`` too; ``per_period``: ``w_ij >= 0`` and
    ``u1_i(i) >= 0``.
    """
    utility = first_payoff if regime == "per_period" else reported_utility
    shortfall = jnp.sum(jnp.maximum(-own_item(utility(market, menu)), 0.0))
    if regime == "lifetime":
        return shortfall
    return shortfall + jnp.sum(jnp.maximum(-honest_second(market, menu), 0.0))


__all__ = [
    "Market",
    "Menu",
    "Regime",
    "contribution",
    "effort",
    "first_payoff",
    "honest_second",
    "incentive_violation",
    "own_item",
    "participation_violation",
    "profit",
    "reported_utility",
    "second_payoff",
    "survivor",
    "unit_cost",
    "value",
]
