"""What serving a task costs: delay, energy, quality and reward of a choice in a given state.

Pure prices, nothing moves. The world charges them, the greedy rules compare them, and the bound
takes their best.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record
from edgewright.physics import compute, energy, preference, queues, radio
from edgewright.systems.aigc.records import OF_A_DEVICE, AigcInputs, AigcParams, AigcState

if TYPE_CHECKING:
    from edgewright.systems.aigc.world import AigcWorld


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


def need(world: AigcWorld, params: AigcParams, state: AigcState) -> Array:
    """Return how scarce energy is, in [0, 1] per device ``[M]``: from the charge and the load."""
    need = preference.scarcity(state.charge_pct, params.low_charge_pct, params.low_charge_span_pct)
    least = world.least_in_reach(params, state.server_backlog_gcycles)
    relative_load = least / params.load_limit_gcycles
    if world.load_weighting == "high":
        need_load = preference.scarcity(-relative_load, -params.load_threshold, params.load_span)
        need = jnp.maximum(need, need_load)
    elif world.load_weighting == "literal_low_load":
        need_load = preference.scarcity(relative_load, params.load_threshold, params.load_span)
        need = jnp.maximum(need, need_load)
    return need


def weights(world: AigcWorld, params: AigcParams, state: AigcState, mode: Array) -> Array:
    """Return (w_q, w_t, w_e) ``[M, 3]`` for the mode, the charge and the load. Sum 1."""
    if not world.adaptive_weights:
        return jnp.full((*mode.shape, 3), 1 / 3)
    scarce = need(world, params, state)
    return preference.shift_to_energy(
        pick(params.mode_weights, mode), scarce, params.shift_fraction
    )


def task_work(world: AigcWorld, params: AigcParams, x: AigcInputs, level: Array) -> Array:
    """Return the work of each task at its quality level [G-cycles]. Equation (1)."""
    base = x.work_gcycles
    if world.work == "density":
        base = compute.density_work_gcycles(base, x.input_mb)
    return compute.actual_work_gcycles(base, pick(params.quality_multiplier, level))


def price(
    world: AigcWorld,
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
    C omega / f_n`` (10). With ``together`` a task also waits behind the expected half of what other
    devices with charge left send in the same slot; without, each is priced as if it acted alone.
    """
    local = location == 0
    queue = world.queue(params, location)
    sending = ~local & (state.charge_pct >= params.charge_floor_pct)
    work = task_work(world, params, x, level)
    device_ghz = jnp.broadcast_to(params.device_ghz, work.shape)
    server_ghz = pick(world.at_queues(params, params.server_ghz), queue)
    up_s = radio.transmission_s(x.input_mb, x.bandwidth_mbps, params.network_delay_s)
    down_s = radio.transmission_s(
        jnp.broadcast_to(params.output_mb, up_s.shape), x.bandwidth_mbps, params.network_delay_s
    )

    backlog = pick(state.server_backlog_gcycles, queue)
    if world.drain_during_upload:
        backlog = queues.drain(backlog, server_ghz, up_s)
    if together and world.devices > 1:
        sent = queues.arrivals_by_server(
            jnp.where(sending, work, 0.0), jnp.where(sending, queue, -1), world.queue_count
        )
        backlog = backlog + queues.same_slot_wait_gcycles(work, pick(sent, queue))
    if world.wait == "slots":
        idle = pick(state.server_idle_slots, queue)
        wait_edge = queues.slot_wait_s(backlog, server_ghz, idle, params.slot_s)
        wait_local = queues.slot_wait_s(
            state.local_backlog_gcycles, device_ghz, state.local_idle_slots, params.slot_s
        )
    else:
        wait_edge = queues.wait_s(backlog, server_ghz)
        wait_local = queues.wait_s(state.local_backlog_gcycles, device_ghz)
    delay_s = jnp.where(
        local,
        wait_local + compute.service_s(work, device_ghz),
        up_s + down_s + wait_edge + compute.service_s(work, server_ghz),
    )

    transfer_j = energy.transfer_j(up_s, down_s, params.transmit_w, params.receive_w)
    device_j = jnp.where(local, energy.dvfs_j(work, device_ghz, params.kappa), transfer_j)
    if world.edge_energy == "cubic":
        edge_j = energy.dvfs_j(work, server_ghz, params.kappa)
    else:
        edge_j = energy.per_cycle_j(work, params.edge_j_per_gcycle)
    edge_j = jnp.where(local, 0.0, edge_j)
    account_j = {
        "device": device_j,
        "system": device_j + edge_j,
        "literal": jnp.where(local, device_j, edge_j),
    }[world.energy_account]

    quality = pick(params.quality_score, level)
    reward = params.reward_scale * preference.task_reward(
        weights(world, params, state, x.mode),
        quality,
        delay_s / params.delay_norm_s,
        account_j / params.energy_norm_j,
    )
    return Service(
        work_gcycles=work,
        delay_s=delay_s,
        device_energy_j=device_j,
        edge_energy_j=edge_j,
        energy_j=account_j,
        quality=quality,
        reward=reward,
    )


def price_list(world: AigcWorld, params: AigcParams, state: AigcState, x: AigcInputs) -> Service:
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

    def cut(whole: Any, names: tuple[str, ...]) -> Any:
        found = {name: jnp.asarray(getattr(whole, name)) for name in names}
        return dataclasses.replace(
            whole, **{n: v[device][None] for n, v in found.items() if v.ndim}
        )

    table = () if params.neighbours is None else ("neighbours",)
    own = ("input_mb", "work_gcycles", "mode", "bandwidth_mbps", "initial_charge_pct")
    return (
        cut(params, (*OF_A_DEVICE, *table)),
        cut(state, ("charge_pct", "local_backlog_gcycles", "local_idle_slots")),
        cut(x, own),
    )
