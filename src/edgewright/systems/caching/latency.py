"""Compute shares and latency of every user for a choice of servers.

Equations of the code published with HADRL; its readings are in ``docs/concepts/caching.md``.
"""

from __future__ import annotations

import math

import jax.numpy as jnp

from edgewright.core.records import Array, record
from edgewright.physics import queues, radio
from edgewright.systems.caching.records import CachingInputs, CachingParams, CachingState
from edgewright.systems.caching.structure import CachingStructure

SHARE_DECIMALS = 1000.0
"""The published code rounds shares to three decimals."""


@record
class Task:
    """The requests of one slot, per user ``[U]``."""

    input_mbit: Array
    work_gcycles: Array
    tolerance_s: Array
    efficiency: Array  # [U, M] bit/s/Hz of the link that a choice of each server uses
    available: Array  # [U, M] 1 where a server holds the requested service


@record
class Latency:
    """The latency of every user ``[U]``, and its parts."""

    total_s: Array
    transmission_s: Array
    wait_s: Array
    hit: Array
    edge_gcycles: Array  # [M] work that each server gets
    used_mbit: Array  # [M] input that each server gets


def server_x_m(world: CachingStructure, params: CachingParams) -> Array:
    """Return where each server stands ``[M]`` [m], in the middle of its cell of a row of cells."""
    return (jnp.arange(world.servers) + 0.5) * params.cell_m


def cell_of(world: CachingStructure, params: CachingParams, x: CachingInputs) -> Array:
    """Return the cell that each user is in ``[U]``, which is that of the nearest server."""
    cell = jnp.floor(x.x_m / params.cell_m).astype(jnp.int32)
    return jnp.clip(cell, 0, world.servers - 1)


def spectral_efficiency(world: CachingStructure, params: CachingParams, x: CachingInputs) -> Array:
    """Return ``log2(1 + P h / N)`` of every user and server ``[U, M]`` [bit/s/Hz].

    ``h`` is path loss times fading. The noise is that of the whole band, whatever share of it a
    user gets, as published.
    """
    apart_x = x.x_m[:, None] - server_x_m(world, params)
    apart_y = x.y_m[:, None] - 0.5 * params.cell_m
    distance = jnp.sqrt(jnp.square(apart_x) + jnp.square(apart_y))
    loss_db = radio.macro_loss_db(jnp.maximum(distance, params.nearest_m))
    fading = x.fading if world.fading == "power" else jnp.sqrt(2.0 * x.fading)
    ratio_db = params.transmit_dbm - params.noise_dbm - loss_db
    return jnp.log1p(10.0 ** (ratio_db / 10.0) * fading) / math.log(2)


def task(
    world: CachingStructure, params: CachingParams, state: CachingState, x: CachingInputs
) -> Task:
    """Return what every user asks for, and what each server could do about it."""
    request = world.requested(x.service)
    efficiency = spectral_efficiency(world, params, x)
    if world.channel == "cell":
        own = world.chosen(params.cell)
        efficiency = jnp.broadcast_to(
            jnp.sum(efficiency * own, axis=1, keepdims=True), efficiency.shape
        )
    return Task(
        input_mbit=request @ params.input_mbit,
        work_gcycles=request @ params.work_gcycles,
        tolerance_s=request @ params.tolerance_s,
        efficiency=efficiency,
        available=request @ state.cached.T,
    )


def served_share(
    world: CachingStructure, params: CachingParams, weight: Array, chosen: Array
) -> Array:
    """Return each user's share of its server ``[U]`` from the weights ``[U]`` of the action.

    With ``zero_share = "budget"``: ``(w_u + e) / sum of (w + e)`` over the users of the server, so
    shares of a server sum to one. With ``"fallback"``, as published: weights are clipped to [0, 1],
    divided by their sum, rounded to three decimals, and a share of zero becomes a fixed one that
    nobody pays for.
    """
    if world.zero_share == "budget":
        return budget_shares(weight, chosen, params.least_weight)
    clipped = jnp.clip(weight, 0.0, 1.0)
    total = chosen @ (clipped @ chosen)
    share = jnp.round(clipped / jnp.where(total > 0, total, 1.0) * SHARE_DECIMALS) / SHARE_DECIMALS
    return jnp.where(share > 0, share, params.fallback_share)


def budget_shares(weight: Array, chosen: Array, least_weight: Array | float) -> Array:
    """Return shares ``[U]`` that sum to one over the users of each server.

    Args:
        weight: ``[U]``, clipped to [0, 1]; ``least_weight`` is added to each.
        chosen: ``[U, M]`` bits.
    """
    raised = jnp.clip(weight, 0.0, 1.0) + least_weight
    return raised / (chosen @ (raised @ chosen))


def square_root_share(need: Array, chosen: Array) -> Array:
    """Return the shares ``[U]`` of least total latency: in proportion to ``sqrt(need)``.

    ``sum c_u / s_u`` with shares that sum to one is least for ``s_u`` in proportion to
    ``sqrt(c_u)`` (``physics.sharing``).

    Args:
        need: ``[U]`` time with the whole server; 0 for users who need nothing.
        chosen: ``[U, M]`` bits.
    """
    root = jnp.sqrt(need)
    total = chosen @ (root @ chosen)
    return jnp.where(total > 0, root / jnp.where(total > 0, total, 1.0), 1.0)


def latency(
    world: CachingStructure,
    params: CachingParams,
    state: CachingState,
    task: Task,
    server: Array,
    weights: tuple[Array, Array] | None,
) -> Latency:
    """Return the latency of every user.

    ``T = D / (b W log2(1 + SNR)) + q_m / F_m + C / (f F_m)`` where server ``m`` holds the service,
    else ``T = D / (b W log2(1 + SNR)) + D / R_cloud + C / F_cloud + t_cloud``: a miss costs no
    speed of the server.

    Args:
        server: ``[U]`` int, the chosen server.
        weights: of bandwidth and of speed, ``[U]`` each; None for the exact square-root shares.
    """
    chosen = world.chosen(server)
    hit = jnp.sum(chosen * task.available, axis=1)
    efficiency = jnp.sum(chosen * task.efficiency, axis=1)
    alone_s = task.input_mbit / (efficiency * (chosen @ params.bandwidth_mhz))
    work_s = task.work_gcycles / (chosen @ params.server_ghz)
    if weights is None:
        band = square_root_share(alone_s, chosen)
        speed = square_root_share(work_s * hit, chosen)
    else:
        band, speed = (served_share(world, params, weight, chosen) for weight in weights)
    transmission_s = alone_s / band
    wait_s = hit * (chosen @ queues.wait_s(state.backlog_gcycles, params.server_ghz))
    compute_s = jnp.where(hit > 0, work_s / jnp.where(speed > 0, speed, 1.0), 0.0)
    return Latency(
        total_s=transmission_s + wait_s + compute_s + (1.0 - hit) * cloud_s(params, task),
        transmission_s=transmission_s,
        wait_s=wait_s,
        hit=hit,
        edge_gcycles=(task.work_gcycles * hit) @ chosen,
        used_mbit=task.input_mbit @ chosen,
    )


def cloud_s(params: CachingParams, task: Task) -> Array:
    """Return what a miss costs beside the transmission to the edge ``[U]`` [s]."""
    return _cloud_s(params, task.input_mbit, task.work_gcycles)


def miss_s(params: CachingParams) -> Array:
    """Return what a miss of each service costs beside the transmission to the edge ``[K]`` [s]."""
    return _cloud_s(params, params.input_mbit, params.work_gcycles)


def _cloud_s(params: CachingParams, input_mbit: Array, work_gcycles: Array) -> Array:
    link_s = input_mbit / params.cloud_mbps
    return link_s + work_gcycles / params.cloud_ghz + params.cloud_delay_s
