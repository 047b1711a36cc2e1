"""Read an action as a menu, by the three decodings of learners or as it is.

With ``A`` the action in ``[-1, 1]`` and shares ``s = (A + 1) / 2``:

- ``raw``        ``q = s qmax``, ``r = s rmax``: the constraints count by the reward only;
- ``rent``       ``q = s qmax``, ``r = c_k x + s rent_max``: no server of its own item works at a
                 loss in any period;
- ``structured`` only amounts: shares of the next higher one, so that they rise along types, in
                 period 2 along both; the payments are the least ones (B.10);
- ``menu``       work and payments as they are, for mechanisms that are computed.

The parts of an action come in the order ``x1``, ``x2``, ``r1``, ``r2``, rows first.
"""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp

from edgewright.core.records import Array
from edgewright.physics.contract import Market, Menu, Regime, effort, unit_cost
from edgewright.physics.payments import least_payments
from edgewright.systems.contract.records import ContractParams

Decoding = Literal["raw", "rent", "structured", "menu"]


def action_size(types: int, decoding: Decoding) -> int:
    """Return how many numbers an action has."""
    amounts = types + types * types
    return amounts if decoding == "structured" else 2 * amounts


def decode(
    params: ContractParams,
    market: Market,
    action: Array,
    decoding: Decoding,
    regime: Regime,
    turns: int | None = None,
) -> Menu:
    """Return the menu of an action ``[action_size]``.

    Args:
        turns: of the search for the least payments, see :func:`edgewright.physics.payments.solve`.
    """
    count = market.theta.shape[0]
    amounts = count + count * count
    if decoding == "menu":
        return as_menu(action, count)
    share = 0.5 * (jnp.clip(action, -1.0, 1.0) + 1.0)
    if decoding == "structured":
        first = rising(share[:count])
        second = rising_in_both(share[count:].reshape(count, count))
        x1, x2 = (effort(market, market.q_max * part) for part in (first, second))
        return least_payments(market, x1, x2, regime, turns)[0]
    x = effort(market, market.q_max * share[:amounts])
    paid = share[amounts:]
    menu = as_menu(jnp.concatenate([x, paid]), count)
    cost = unit_cost(market)
    if decoding == "raw":
        r1, r2 = params.payment_max * menu.r1, params.payment_max * menu.r2
    else:
        r1 = cost * menu.x1 + params.rent_max * menu.r1
        r2 = cost * menu.x2 + params.rent_max * menu.r2
    return Menu(x1=menu.x1, r1=r1, x2=menu.x2, r2=r2)


def as_menu(numbers: Array, count: int) -> Menu:
    """Return a menu from its ``2 K + 2 K^2`` numbers."""
    amounts, payments = jnp.split(numbers, 2, axis=-1)

    def first(part: Array) -> Array:
        return part[..., :count]

    def second(part: Array) -> Array:
        return part[..., count:].reshape(*part.shape[:-1], count, count)

    return Menu(x1=first(amounts), r1=first(payments), x2=second(amounts), r2=second(payments))


def as_numbers(menu: Menu) -> Array:
    """Return the ``2 K + 2 K^2`` numbers of a menu, the action of the decoding ``menu``."""
    parts = (menu.x1, menu.x2, menu.r1, menu.r2)
    lead = jnp.shape(menu.x1)[:-1]
    return jnp.concatenate([jnp.asarray(one).reshape(*lead, -1) for one in parts], axis=-1)


def rising(share: Array) -> Array:
    """Return ``q / qmax [K]``: the last by its share, each other a share of the next."""
    rest = [share[-1]]
    for k in reversed(range(share.shape[0] - 1)):
        rest.insert(0, share[k] * rest[0])
    return jnp.stack(rest)


def rising_in_both(share: Array) -> Array:
    """Return ``q / qmax [K, K]``, each a share of the lesser of the next in its row and column.

    All tables that rise in both directions are reached.
    """
    count = share.shape[0]
    rows: list[list[Array]] = [[share[0, 0]] * count for _ in range(count)]
    for i in reversed(range(count)):
        for j in reversed(range(count)):
            above = [rows[i + 1][j]] if i + 1 < count else []
            above += [rows[i][j + 1]] if j + 1 < count else []
            limit = jnp.ones(()) if not above else above[0]
            for other in above[1:]:
                limit = jnp.minimum(limit, other)
            rows[i][j] = share[i, j] * limit
    return jnp.stack([jnp.stack(row) for row in rows])


__all__ = ["Decoding", "action_size", "as_menu", "as_numbers", "decode", "rising", "rising_in_both"]
