"""Divide one resource among the members of a group so that their weighted delay is least.

Member ``n`` needs the whole resource for ``t_n`` seconds and gets a share ``s_n``: its delay is
``t_n / s_n``. With ``need_n = sqrt(w_n t_n)`` the least sum of weighted delays is ``(sum need)^2``,
which the shares ``need_n / sum need`` reach (Cauchy and Schwarz; Bi and Zhang, IEEE TWC 17(6), 2018
use the same law for a common airtime).
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Number = Float[Array, "..."]


def root_need(weight: Number, alone_s: Number) -> Number:
    """Return ``sqrt(w t)``: what a member brings to the sum whose square is the delay."""
    return jnp.sqrt(weight * alone_s)
