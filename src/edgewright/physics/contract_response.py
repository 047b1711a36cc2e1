"""Compute what rational servers choose from a menu, and what the cloud earns then (B.9)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from edgewright.core.records import record
from edgewright.physics.contract import Market, Menu, Regime, first_payoff, second_payoff, value

TIE_TOLERANCE = 1e-4
"""Payoffs nearer than this are equal to a server, which then does as the cloud likes (B.9)."""


@record
class Response:
    """The choices of rational servers and what they bring, before and after types change.

    Items are counted from 0; the last one, ``K``, is to stay away, or to leave.
    """

    first: Array  # [K] int32, item of period 1 of each type
    second: Array  # [K, K] int32, item of period 2 by item of period 1 and type of period 2
    utility: Array  # [K] what each type expects
    profit: Array  # [K] what the cloud expects from each type


def best_response(market: Market, menu: Menu, regime: Regime) -> Response:
    """Return what servers choose (B.9).

    Each type ``i`` takes the item ``h`` (or none) of the largest ``u1_h(i) + delta sum_j P_ij
    max(0, max_j' w_hj(j'))``, then the best item of row ``h`` or leaves. With ``per_period`` no
    item is taken whose period 1 is a loss; with ``lifetime`` nobody leaves after period 1. Of items
    within :data:`TIE_TOLERANCE` of the best one the cloud's favourite is taken.
    """
    gain2 = value(market, menu.x2, 1) - menu.r2
    stays = second_payoff(market, menu)  # (h, j, j')
    away = jnp.full_like(stays[..., :1], -jnp.inf if regime == "lifetime" else 0.0)
    offers = jnp.concatenate([stays, away], axis=2)
    worth = jnp.concatenate([gain2, jnp.zeros_like(gain2[:, :1])], axis=1)
    second, earned, brought = _favourite(offers, worth[:, None, :])

    now = first_payoff(market, menu)
    later = market.discount * earned @ market.transition.T
    total = now + later
    if regime == "per_period":
        total = jnp.where(now >= -TIE_TOLERANCE, total, -jnp.inf)
    cloud = (value(market, menu.x1, 0) - menu.r1)[:, None]
    cloud = cloud + market.discount * brought @ market.transition.T
    options = jnp.concatenate([total, jnp.zeros_like(total[:1])]).T  # (i, h)
    returns = jnp.concatenate([cloud, jnp.zeros_like(cloud[:1])]).T
    first, utility, profit = _favourite(options, returns)
    return Response(first=first, second=second, utility=utility, profit=profit)


def best_response_profit(market: Market, menu: Menu, regime: Regime) -> Float[Array, ""]:
    """Return the cloud's expected profit for each server from rational servers (B.9)."""
    return jnp.sum(market.prior * best_response(market, menu, regime).profit)


def participation(market: Market, menu: Menu, regime: Regime) -> Float[Array, ""]:
    """Return the expected share of the two periods in which a server works (B.9).

    Taking an item counts, even if it asks for no work.
    """
    count = menu.x1.shape[0]
    chosen = best_response(market, menu, regime)
    joined = chosen.first < count
    row = jnp.minimum(chosen.first, count - 1)
    stayed = (chosen.second[row] < count) & joined[:, None]
    later = jnp.sum(market.transition * stayed, axis=1)
    return 0.5 * jnp.sum(market.prior * (joined + later))


def played(
    market: Market, menu: Menu, regime: Regime, types: Int[Array, "N 2"]
) -> tuple[Menu, Float[Array, " N"]]:
    """Return what servers of known types do, and what the cloud earns from each (B.9).

    Args:
        types: of every server in both periods, counted from 0; drawn by the caller.

    Returns:
        work and payments of each server, a menu of ``[N]`` with 0 for those who stay away, and the
        realised profit ``[N]``. Its mean over types that are drawn from prior and transition is
        :func:`best_response_profit`.
    """
    chosen = best_response(market, menu, regime)
    first = chosen.first[types[:, 0]]
    row = jnp.minimum(first, menu.x1.shape[0] - 1)
    second = jnp.where(first < menu.x1.shape[0], chosen.second[row, types[:, 1]], menu.x1.shape[0])
    x1, r1 = (jnp.append(part, 0.0)[first] for part in (menu.x1, menu.r1))
    x2, r2 = (jnp.pad(part, ((0, 0), (0, 1)))[row, second] for part in (menu.x2, menu.r2))
    later = value(market, x2, 1) - r2
    earned = value(market, x1, 0) - r1 + market.discount * later
    return Menu(x1=x1, r1=r1, x2=x2, r2=r2), earned


def _favourite(
    payoff: Float[Array, "*s n"], gain: Float[Array, "*s n"]
) -> tuple[Int[Array, "*s"], Float[Array, "*s"], Float[Array, "*s"]]:
    """Return the cloud's favourite among the best options: index, payoff and the cloud's gain."""
    near: Bool[Array, "*s n"] = payoff >= jnp.max(payoff, -1, keepdims=True) - TIE_TOLERANCE
    gain = jnp.broadcast_to(gain, payoff.shape)
    index = jnp.argmax(jnp.where(near, gain, -jnp.inf), axis=-1).astype(jnp.int32)

    def of(values: Array) -> Array:
        return jnp.take_along_axis(values, index[..., None], axis=-1)[..., 0]

    return index, of(payoff), of(gain)


__all__ = [
    "TIE_TOLERANCE",
    "Response",
    "best_response",
    "best_response_profit",
    "participation",
    "played",
]
