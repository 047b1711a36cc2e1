"""Compute the cost of a set of offloading devices, under three readings of shared resources.

All three are functions of sums over the set ``S`` of devices that offload. With the uplink alone in
``t_up = (i + o) / R`` and the edge processor alone in ``t_edge = zeta / F`` seconds:

    u = sqrt(w t_up),  v = sqrt(w t_edge),  c = w zeta / f0
    coupled      Q = (sum_S u)^2 + (sum_S v)^2 + sum_not S c     shared by the square-root law
    equal_share  Q = |S| sum_S (u^2 + v^2) + sum_not S c         shared equally
    separable    Q = sum_S (u^2 + v^2) + sum_not S c             a band and a processor for each

The last is MRL's equations (1) to (6) as written.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record
from edgewright.physics import radio
from edgewright.physics.compute import service_s
from edgewright.physics.energy import dvfs_j
from edgewright.physics.sharing import root_need
from edgewright.systems.binary.records import BinaryParams

Objective: TypeAlias = Literal["coupled", "separable", "equal_share"]


@record
class Needs:
    """The share of each device in the sums, ``[..., N]``; all 0 for an empty place."""

    uplink: Array  # u, root seconds
    edge: Array  # v, root seconds
    local_s: Array  # c, weighted seconds on the device itself
    present: Array  # 1 or 0


@record
class Load:
    """Sums over some devices, of which the set ``S`` offloads. Leaves ``[...]``.

    The loads of two disjoint groups of devices add. Nothing is taken from a sum: a difference of
    large sums has no right digits left in float32.
    """

    uplink: Array  # sum_S u
    edge: Array  # sum_S v
    alone_s: Array  # sum_S u^2 + v^2
    members: Array  # |S|
    local_s: Array  # sum_not S c: the local seconds of the others


def rates_mbps(params: BinaryParams, gain: Array) -> Array:
    """Return the rate of each device with the whole band, MRL equation (1)."""
    noise = radio.noise_w(params.noise_dbm_hz, params.bandwidth_mhz)
    return radio.shannon_mbps(params.bandwidth_mhz, radio.watts(params.transmit_dbm) * gain / noise)


def work_gcycles(params: BinaryParams) -> Array:
    """Return zeta_n: cycles per bit times the input."""
    return params.cycles_per_bit * params.input_mbit * 1e-3


def needs(params: BinaryParams, gain: Array) -> Needs:
    """Return what each device brings, from its gain ``[N]``. MRL equations (2) to (4)."""
    weight = params.weight * params.present
    work = work_gcycles(params)
    uplink_s = (params.input_mbit + params.output_mbit) / rates_mbps(params, gain)
    return Needs(
        uplink=root_need(weight, uplink_s),
        edge=root_need(weight, service_s(work, params.edge_ghz)),
        local_s=weight * service_s(work, params.device_ghz),
        present=params.present,
    )


def alone_s(need: Needs) -> Array:
    """Return ``u^2 + v^2``: the weighted delay of a device that shares with nobody."""
    return jnp.square(need.uplink) + jnp.square(need.edge)


def load(need: Needs, offload: Array) -> Load:
    """Return the sums over the devices whose ``offload`` ``[..., N]`` is 1."""
    chosen = offload.astype(need.uplink.dtype)
    return Load(
        uplink=jnp.sum(need.uplink * chosen, axis=-1),
        edge=jnp.sum(need.edge * chosen, axis=-1),
        alone_s=jnp.sum(alone_s(need) * chosen, axis=-1),
        members=jnp.sum(need.present * chosen, axis=-1),
        local_s=jnp.sum(need.local_s * (1 - chosen), axis=-1),
    )


def joined(first: Load, second: Load) -> Load:
    """Return the load of two disjoint groups of devices together."""
    return jax.tree.map(jnp.add, first, second)


def total_s(objective: Objective, at: Load) -> Array:
    """Return Q, the sum of weighted delays, of a set with the load ``at``. MRL equation (6)."""
    if objective == "separable":
        return at.alone_s + at.local_s
    if objective == "equal_share":
        return at.members * at.alone_s + at.local_s
    return jnp.square(at.uplink) + jnp.square(at.edge) + at.local_s


def device_s(objective: Objective, need: Needs, offload: Array) -> Array:
    """Return the weighted delay ``w_n T_n`` of each device, whose sum is :func:`total_s`."""
    at = load(need, offload)
    if objective == "separable":
        away = alone_s(need)
    elif objective == "equal_share":
        away = at.members * alone_s(need)
    else:
        away = need.uplink * at.uplink + need.edge * at.edge
    return jnp.where(offload > 0, away, need.local_s)


def sending_s(objective: Objective, need: Needs, params: BinaryParams, offload: Array) -> Array:
    """Return the seconds ``[N]`` in which each device would send, with the others in ``offload``.

    That is ``i / R`` over its share of the band: ``u_n / sum_S u`` where the band is shared by the
    square-root law, ``1 / |S|`` where it is shared equally.
    """
    at = load(need, offload)
    weight = jnp.where(params.present > 0, params.weight, 1.0)
    if objective == "separable":
        both = jnp.square(need.uplink)
    elif objective == "equal_share":
        both = at.members * jnp.square(need.uplink)
    else:
        both = need.uplink * at.uplink
    sent = params.input_mbit / (params.input_mbit + params.output_mbit)
    return both / weight * sent


def energy_j(objective: Objective, params: BinaryParams, need: Needs, offload: Array) -> Array:
    """Return the energy ``[N]`` [J] of each device: ``kappa f0^2 zeta``, or sending with ``P``.

    Receiving and waiting count nothing.
    """
    local = dvfs_j(work_gcycles(params), params.device_ghz, params.kappa)
    radio_w = radio.watts(params.transmit_dbm)
    away = radio_w * sending_s(objective, need, params, offload)
    return params.present * jnp.where(offload > 0, away, local)
