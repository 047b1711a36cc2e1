"""Sharing: how members of a group divide one resource so that their weighted delays are least.

Member ``n`` needs the whole resource for ``t_n`` seconds and gets a share ``s_n``: its delay is
``t_n / s_n``. With ``need_n = sqrt(w_n t_n)`` the least sum of weighted delays is ``(sum need)^2``
(Cauchy and Schwarz; Bi and Zhang, IEEE TWC 17(6), 2018 use the same law for a common airtime).
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Number = Float[Array, "..."]


def root_need(weight: Number, alone_s: Number) -> Number:
    """Return ``sqrt(w t)``: what a member brings to the sum whose square is the delay."""
    return jnp.sqrt(weight * alone_s)


def square_root_shares(need: Float[Array, " n"], member: Float[Array, " n"]) -> Float[Array, " n"]:
    """Return ``s_n = need_n / sum of the members' needs``; 0 for all others.

    The minimiser of ``sum w_n t_n / s_n`` over shares that sum to at most 1.
    """
    wanted = need * member
    total = jnp.sum(wanted)
    return wanted / jnp.where(total > 0, total, 1.0)


def equal_shares(member: Float[Array, " n"]) -> Float[Array, " n"]:
    """Return ``1 / members`` for each member."""
    return member / jnp.maximum(jnp.sum(member), 1.0)
