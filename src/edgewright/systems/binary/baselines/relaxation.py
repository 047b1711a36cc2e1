"""A lower bound on the cost for any number of devices: the convex relaxation, certified.

With ``x`` in ``[0, 1]^N`` instead of ``{0, 1}^N`` the coupled cost is convex. For every ``s`` and
``t`` and every ``x``, ``(u.x)^2 >= 2 s (u.x) - s^2`` and likewise for ``v``, so

    Q(x)  >=  sum c - s^2 - t^2 + sum_n min(0, 2 s u_n + 2 t v_n - c_n)

holds for all binary ``x``. Projected gradient steps on ``x`` choose ``s = u.x`` and ``t = v.x``;
where they have converged the right side is the relaxed optimum, and before that it is smaller, so
the bound is a bound however long they run. An equal share costs at least
``(sum_S sqrt(u^2 + v^2))^2`` (Cauchy and Schwarz), which is the coupled form with one resource.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array
from edgewright.systems.binary import Needs, Objective, alone_s

STEPS = 200
"""Gradient steps; with momentum the gap is far below the gap of the relaxation itself."""


def lower_bound(objective: Objective, need: Needs) -> Array:
    """Return a number that no action's cost is below, for one slot with needs ``[N]``."""
    if objective == "separable":
        return jnp.sum(jnp.minimum(alone_s(need), need.local_s))
    if objective == "equal_share":
        rows = jnp.sqrt(alone_s(need))[None]
    else:
        rows = jnp.stack([need.uplink, need.edge])  # [resources, N]
    saved, local_sum = need.local_s, jnp.sum(need.local_s)

    def dual(level: Array) -> Array:
        slope = 2.0 * level @ rows - saved
        return local_sum - jnp.sum(jnp.square(level)) + jnp.sum(jnp.minimum(0.0, slope))

    step = 1.0 / jnp.maximum(2.0 * jnp.sum(jnp.square(rows)), 1e-12)

    def descend(carry: Any, _: None) -> tuple[Any, None]:
        x, ahead, pace, best = carry
        moved = jnp.clip(ahead - step * (2.0 * (rows @ ahead) @ rows - saved), 0.0, 1.0)
        faster = (1.0 + jnp.sqrt(1.0 + 4.0 * jnp.square(pace))) / 2.0
        further = moved + (pace - 1.0) / faster * (moved - x)
        return (moved, further, faster, jnp.maximum(best, dual(rows @ moved))), None

    middle = jnp.full(need.uplink.shape, 0.5)
    start = (middle, middle, jnp.ones(()), jnp.float32(-jnp.inf))
    (_, _, _, best), _ = jax.lax.scan(descend, start, None, length=STEPS)
    return best
