"""Compute delay, energy, quality and reward of a choice in a given state.

Pure prices, nothing moves. The world charges them, the greedy rules compare them, and the bound
takes their best.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record
from edgewright.physics import compute, energy, preference, queues, radio
from edgewright.systems.aigc.records import OF_A_DEVICE, AigcInputs, AigcParams, AigcState
from edgewright.systems.aigc.structure import AigcStructure


@record
class Service:
    """The price of one choice, per device ``[M]``."""

    work_gcycles: Array
    delay_s: Array
    device_energy_j: Array
    edge_energy_j: Array
    energy_j: Array
    quality: Array
    reward: Array


def pick(values: Array, index: Array) -> Array:
    """Return ``values[index]`` along the first axis; small tables as selects, not gathers."""
    if values.shape[0] > 8:
        return values[index]
    shape = index.shape + (1,) * (values.ndim - 1)
    chosen = jnp.broadcast_to(values[0], index.shape + values.shape[1:])
    for position in range(1, values.shape[0]):
        chosen = jnp.where((index == position).reshape(shape), values[position], chosen)
    return chosen


def need(world: AigcStructure, params: AigcParams, state: AigcState) -> Array:
    """Return how scarce energy is, in [0, 1] per device ``[M]``: from the charge.

    In the reading ``paper`` from the load as well: a *low* one saves energy.
    """
    need = preference.scarcity(state.charge_pct, params.low_charge_pct, params.low_charge_span_pct)
    if world.reading == "ours":
        return need
    least = world.least_in_reach(params, state.server_backlog_gcycles)
    relative_load = least / params.load_limit_gcycles
    return jnp.maximum(
        need, preference.scarcity(relative_load, params.load_threshold, params.load_span)
    )


def weights(world: AigcStructure, params: AigcParams, state: AigcState, mode: Array) -> Array:
    """Return (w_q, w_t, w_e) ``[M, 3]`` for the mode, the charge and the load. Sum 1."""
    if not world.adaptive_weights:
        return jnp.full((*mode.shape, 3), 1 / 3)
    scarce = need(world, params, state)
    return preference.shift_to_energy(
        pick(params.mode_weights, mode), scarce, params.shift_fraction
    )


def task_work(params: AigcParams, x: AigcInputs, level: Array) -> Array:
    """Return the work of each task at its quality level [G-cycles]. Equation (1)."""
    return compute.actual_work_gcycles(x.work_gcycles, pick(params.quality_multiplier, level))


def _transfers_s(params: AigcParams, x: AigcInputs, level: Array) -> tuple[Array, Array]:
    """Return the times to send each task's input and to get its output back, ``[M]``."""
    output_mb = params.output_mb
    if jnp.ndim(output_mb):  # one size for each quality level
        output_mb = pick(output_mb, level)
    output_mb = jnp.broadcast_to(output_mb, x.input_mb.shape)
    up_s, down_s = (
        radio.transmission_s(size_mb, x.bandwidth_mbps, params.network_delay_s)
        for size_mb in (x.input_mb, output_mb)
    )
    return up_s, down_s


def _uplink_wait_s(state: AigcState, x: AigcInputs) -> Array:
    """Return how long an upload waits for those before it, ``[M]``: their bits over the rate.

    ``Q_trans`` of SE-PPO in the continuous reading of its other queues, (2) and (7).
    """
    assert state.uplink_backlog_mb is not None, "a world with uplink = 'queue' has it"
    return radio.transmission_s(state.uplink_backlog_mb, x.bandwidth_mbps, jnp.zeros(()))


def _ahead_gcycles(world: AigcStructure, work: Array, queue: Array, sending: Array) -> Array:
    """Return the expected work of others in the same slot that each task waits behind ``[M]``."""
    sent = queues.arrivals_by_server(
        jnp.where(sending, work, 0.0), jnp.where(sending, queue, -1), world.queue_count
    )
    return queues.same_slot_wait_gcycles(work, pick(sent, queue))


def price(
    world: AigcStructure,
    params: AigcParams,
    state: AigcState,
    x: AigcInputs,
    location: Array,
    level: Array,
    *,
    together: bool = True,
) -> Service:
    """Return the price of sending each task to ``location`` at quality ``level``, both ``[M]``.

    ``location`` is 0 for the device and n for the n-th server in its reach.
    Local: ``T = Q_loc / f_loc + C omega / f_loc`` (4). Server n: ``T = up + down + L_n / f_n +
    C omega / f_n`` (10), and with ``uplink = "queue"`` the wait for the uplink. With ``together`` a
    task also waits behind the expected half of what other devices with charge left send in the same
    slot; without, each is priced as if it acted alone.
    """
    local = location == 0
    queue = world.queue(params, location)
    work = task_work(params, x, level)
    device_ghz = jnp.broadcast_to(params.device_ghz, work.shape)
    server_ghz = pick(world.at_queues(params, params.server_ghz), queue)
    up_s, down_s = _transfers_s(params, x, level)
    sent_s = up_s if world.uplink == "parallel" else _uplink_wait_s(state, x) + up_s
    backlog = pick(state.server_backlog_gcycles, queue)
    if together and world.devices > 1:
        sending = ~local & (state.charge_pct >= params.charge_floor_pct)
        backlog = backlog + _ahead_gcycles(world, work, queue, sending)
    idle = pick(state.server_idle_slots, queue)
    own = (state.local_backlog_gcycles, device_ghz, state.local_idle_slots)
    delay_s = jnp.where(
        local,
        _wait_s(world, params, *own) + compute.service_s(work, device_ghz),
        sent_s
        + down_s
        + _wait_s(world, params, backlog, server_ghz, idle)
        + compute.service_s(work, server_ghz),
    )

    transfer_j = energy.transfer_j(up_s, down_s, params.transmit_w, params.receive_w)
    device_j = jnp.where(local, energy.dvfs_j(work, device_ghz, params.kappa), transfer_j)
    edge_j = jnp.where(local, 0.0, _edge_j(world, params, work, server_ghz))
    charged_j = device_j + edge_j if world.reading == "ours" else jnp.where(local, device_j, edge_j)
    quality = pick(params.quality_score, level)
    reward = params.reward_scale * preference.task_reward(
        weights(world, params, state, x.mode),
        quality,
        delay_s / params.delay_norm_s,
        charged_j / params.energy_norm_j,
    )
    return Service(
        work_gcycles=work,
        delay_s=delay_s,
        device_energy_j=device_j,
        edge_energy_j=edge_j,
        energy_j=charged_j,
        quality=quality,
        reward=reward,
    )


def _wait_s(
    world: AigcStructure, params: AigcParams, backlog: Array, speed_ghz: Array, idle_slots: Array
) -> Array:
    """Return the wait behind a backlog [s]; in the reading ``paper`` in slots, (2) and (7)."""
    if world.reading == "ours":
        return queues.wait_s(backlog, speed_ghz)
    return queues.slot_wait_s(backlog, speed_ghz, idle_slots, params.slot_s)


def _edge_j(world: AigcStructure, params: AigcParams, work: Array, server_ghz: Array) -> Array:
    """Return a server's energy for a task [J]; the cubic law (14) in the reading ``paper``."""
    if world.reading == "ours":
        return energy.per_cycle_j(work, params.edge_j_per_gcycle)
    return energy.dvfs_j(work, server_ghz, params.kappa)


@record
class Settlement:
    """The effect of a choice on its device ``[M]``, given whether a server is too full."""

    served: Array  # bool
    drawn_j: Array  # what leaves the battery
    charge_pct: Array  # after the task
    spent: Array  # bool: the charge is below the floor
    reward: Array  # of the task, or of its rejection; no terminal part


def settle(
    world: AigcStructure,
    params: AigcParams,
    state: AigcState,
    x: AigcInputs,
    service: Service,
    over: Array,
    active: Array | bool = True,
) -> Settlement:
    """Return what a service does to its device.

    Args:
        over: ``[M]`` bool, whether the task would overfill the server it is sent to.
        active: ``[M]`` bool, whether the device has charge to act at all.
    """
    served = active & ~(over & (world.overflow == "reject"))
    drawn_j = jnp.where(served, service.device_energy_j, 0.0) + params.idle_w * x.gap_s
    charge = state.charge_pct - 100.0 * drawn_j / params.battery_j
    reward = jnp.where(served, service.reward, params.rejected_reward)
    spent = charge < params.charge_floor_pct
    return Settlement(served=served, drawn_j=drawn_j, charge_pct=charge, spent=spent, reward=reward)


def price_list(
    world: AigcStructure, params: AigcParams, state: AigcState, x: AigcInputs
) -> Service:
    """Return the price of every action, leaves ``[A, M]``, each device acting alone."""

    def of(action: Array) -> Service:
        location, level = world.decode(jnp.broadcast_to(action, (world.devices,)))
        return price(world, params, state, x, location, level, together=False)

    return jax.vmap(of)(jnp.arange(world.actions))


def for_device(
    params: AigcParams, state: AigcState, x: AigcInputs, device: Array
) -> tuple[AigcParams, AigcState, AigcInputs]:
    """Return the numbers, state and inputs of one device, as a world of one device takes them.

    Servers are left as they are, so this is not for a world whose devices are ``alone``.
    """

    def cut(record: Any, names: tuple[str, ...]) -> Any:
        values = {name: jnp.asarray(getattr(record, name)) for name in names}
        return dataclasses.replace(
            record, **{n: v[device][None] for n, v in values.items() if v.ndim}
        )

    table = () if params.neighbours is None else ("neighbours",)
    uplink = () if state.uplink_backlog_mb is None else ("uplink_backlog_mb",)
    own = ("input_mb", "work_gcycles", "mode", "bandwidth_mbps", "initial_charge_pct")
    return (
        cut(params, (*OF_A_DEVICE, *table)),
        cut(state, ("charge_pct", "local_backlog_gcycles", "local_idle_slots", *uplink)),
        cut(x, own),
    )
