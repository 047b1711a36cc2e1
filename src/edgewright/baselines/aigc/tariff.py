"""A tariff: what a joule of the battery and room in the queues are worth beyond the present slot.

Two prices make a rule that looks at one slot far-sighted: charge that is spent now is missing later,
and work that is queued now makes later tasks wait.
"""

from __future__ import annotations

import jax.numpy as jnp

from edgewright.core.records import Array, record
from edgewright.worlds.aigc import AigcInputs, AigcParams, AigcState, AigcWorld, price_list

TARIFFS = tuple((joule, toll) for joule in (0.0, 0.2, 0.5, 0.9, 1.5, 3.0, 8.0) for toll in (0.3, 1.0))
"""(joule, toll) that planners with hindsight try; the price of a joule in :func:`joule_unit`."""


def joule_unit(params: AigcParams) -> Array:
    """Return what the reward itself asks for a joule at weight 1."""
    return params.reward_scale / params.energy_norm_j


@record
class Tariff:
    """Prices that a planner adds to the reward.

    A queue that is ``q`` seconds deep and drains at the share ``1 - rho`` that others leave makes
    the tasks of the next slots wait ``q^2 / (2 slot (1 - rho))`` seconds in all, if one task of
    each slot joins it (less what falls beyond the horizon). ``toll`` is the number that does.
    """

    joule: Array  # [M] reward per joule drawn from the battery
    toll: Array  # [] tasks per slot and device that meet each queue

    def paid(self, world: AigcWorld, params: AigcParams, state: AigcState, x: AigcInputs) -> Array:
        """Return what each action pays ``[A, M]``, each device acting alone."""
        prices = price_list(world, params, state, x)
        location, _ = world.decode(jnp.arange(world.actions))
        server = jnp.maximum(location - 1, 0)
        local = _waits_caused_s(
            params, state, state.local_backlog_gcycles, prices.work_gcycles, params.device_ghz, 0.0
        )
        sent = _waits_caused_s(
            params,
            state,
            state.server_backlog_gcycles[server][:, None],
            prices.work_gcycles,
            params.server_ghz[server][:, None],
            params.background_utilisation[server][:, None],
        )
        waits_s = jnp.where((location == 0)[:, None], local, world.devices * sent)
        room = self.toll * _second_cost(world, params) * waits_s
        return self.joule * prices.device_energy_j + room

    def left(self, world: AigcWorld, params: AigcParams, state: AigcState) -> Array:
        """Return what the backlogs of a state cost the slots to come, ``[]``."""
        slots = params.horizon_slots - state.slot
        local_s = state.local_backlog_gcycles / params.device_ghz
        server_s = state.server_backlog_gcycles / params.server_ghz
        waits_s = jnp.sum(_waits_s(params, local_s, 0.0, slots))
        shared_s = jnp.sum(_waits_s(params, server_s, params.background_utilisation, slots))
        return self.toll * _second_cost(world, params) * (waits_s + world.devices * shared_s)


def _waits_s(
    params: AigcParams, depth_s: Array, utilisation: Array | float, slots: Array
) -> Array:
    """Return how long the tasks of the next slots wait in all, one in each, behind a queue."""
    drained_s = params.slot_s * (1.0 - utilisation)
    rest_s = jnp.maximum(0.0, depth_s - slots * drained_s)
    return (depth_s**2 - rest_s**2) / (2.0 * drained_s)


def _waits_caused_s(
    params: AigcParams,
    state: AigcState,
    backlog: Array,
    work: Array,
    speed_ghz: Array,
    utilisation: Array | float,
) -> Array:
    """Return what ``work`` adds to the waits of the tasks after this slot."""
    slots = params.horizon_slots - state.slot - 1
    before_s = jnp.maximum(0.0, backlog / speed_ghz - params.slot_s)
    after_s = jnp.maximum(0.0, (backlog + work) / speed_ghz - params.slot_s)
    return _waits_s(params, after_s, utilisation, slots) - _waits_s(
        params, before_s, utilisation, slots
    )


def _second_cost(world: AigcWorld, params: AigcParams) -> Array:
    """Return what a second of delay costs the mean of the three modes."""
    weight = jnp.mean(params.mode_weights[:, 1]) if world.adaptive_weights else 1 / 3
    return params.reward_scale * weight / params.delay_norm_s
