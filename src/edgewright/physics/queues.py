"""Update continuous backlogs of work, first in first out. Equations (2) and (7) of SE-PPO."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Number = Float[Array, "..."]


def wait_s(backlog_gcycles: Number, speed_ghz: Number) -> Number:
    """Return how long a task waits behind a backlog, in seconds.

    The reading of equations (2) and (7) that has a positive part: what is left of the work before
    it, divided by the speed.
    """
    return backlog_gcycles / speed_ghz


def slot_wait_s(
    backlog_gcycles: Number, speed_ghz: Number, idle_slots: Number, slot_s: Number
) -> Number:
    """Return ``(T_end(u-1) - t + 1)`` slots in seconds: equations (2) and (7) to the letter.

    ``T_end(u-1)`` is the slot in which the previous task ends. The formula has no positive part, so
    a queue that has been idle for ``idle_slots`` whole slots yields a *negative* wait.
    """
    busy = jnp.ceil(backlog_gcycles / (speed_ghz * slot_s))
    return jnp.where(backlog_gcycles > 0, busy, -idle_slots) * slot_s


def drain(backlog_gcycles: Number, speed_ghz: Number, time_s: Number) -> Number:
    """Return the backlog after ``time_s`` seconds of work, ``max(0, Q - f t)``."""
    return jnp.maximum(0.0, backlog_gcycles - speed_ghz * time_s)


def arrivals_by_server(
    work_gcycles: Float[Array, " M"], server: Int[Array, " M"], servers: int
) -> Float[Array, " N"]:
    """Return the work that ``M`` devices send to each of ``servers``; -1 stays on the device.

    Costs O(M + N); for a single device it is a comparison instead of a scatter.
    """
    if work_gcycles.shape[0] == 1:
        return jnp.where(jnp.arange(servers) == server[0], work_gcycles[0], 0.0)
    bins = jnp.where(server < 0, servers, server)
    return jax.ops.segment_sum(work_gcycles, bins, servers + 1)[:servers]


def same_slot_wait_gcycles(
    own_gcycles: Float[Array, " M"], arrived_gcycles: Float[Array, " M"]
) -> Float[Array, " M"]:
    """Return the expected work ahead of a task among those that arrive in the same slot.

    Tasks of one slot are served in a random order, so on average half of the others' work is ahead.
    Deterministic, indifferent to the numbering of devices, zero for a single device.
    """
    return (arrived_gcycles - own_gcycles) / 2
