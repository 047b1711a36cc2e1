"""Price a joule of the battery and room in the queues beyond the current slot.

Two prices make a rule that looks at one slot far-sighted: charge spent now is missing later, and
work queued now makes later tasks wait.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcState, AigcWorld, pick, price_list

TARIFFS = tuple(
    (joule, toll) for joule in (0.0, 0.2, 0.5, 0.9, 1.5, 3.0, 8.0) for toll in (0.3, 1.0)
)
"""(joule, toll) that planners with hindsight try; the price of a joule in :func:`joule_unit`."""


def joule_unit(params: AigcParams) -> Array:
    """Return what the reward itself asks for a joule at weight 1."""
    return params.reward_scale / params.energy_norm_j


@record
class Tariff:
    """Prices that a planner adds to the reward.

    A queue that is ``q`` seconds deep drains at the share ``1 - rho`` that others leave. If one
    task of each slot joins it, the tasks of the next slots wait ``q^2 / (2 slot (1 - rho))``
    seconds in all (less what falls beyond the horizon). The tolls are the number of such tasks.
    """

    joule: Array  # [M] reward per joule drawn from the battery
    local_toll: Array  # [] tasks per slot that meet a device's own queue
    server_toll: Array  # [] tasks per slot that meet a server's queue

    def paid(self, world: AigcWorld, params: AigcParams, state: AigcState, x: AigcInputs) -> Array:
        """Return what each action pays ``[A, M]``, each device acting alone."""
        prices = price_list(world, params, state, x)
        queue, speed_ghz, utilisation = queues_of_actions(world, params)
        local = queue < 0
        at_server = pick(state.server_backlog_gcycles, jnp.maximum(queue, 0))
        backlog = jnp.where(local, state.local_backlog_gcycles, at_server)
        slots = params.horizon_slots - state.slot - 1
        before_s = jnp.maximum(0.0, backlog / speed_ghz - params.slot_s)
        after_s = jnp.maximum(0.0, (backlog + prices.work_gcycles) / speed_ghz - params.slot_s)
        waits_s = _waits_s(params, after_s, utilisation, slots)
        waits_s = waits_s - _waits_s(params, before_s, utilisation, slots)
        toll = jnp.where(local, self.local_toll, self.server_toll)
        return self.joule * prices.device_energy_j + toll * _second_cost(world, params) * waits_s

    def left(self, world: AigcWorld, params: AigcParams, state: AigcState) -> Array:
        """Return what the backlogs of a state cost the slots to come, ``[]``."""
        slots = params.horizon_slots - state.slot
        local_s = state.local_backlog_gcycles / params.device_ghz
        server_s = state.server_backlog_gcycles / world.at_queues(params, params.server_ghz)
        busy = world.at_queues(params, params.background_utilisation)
        local_s = self.local_toll * jnp.sum(_waits_s(params, local_s, 0.0, slots))
        server_s = self.server_toll * jnp.sum(_waits_s(params, server_s, busy, slots))
        return _second_cost(world, params) * (local_s + server_s)


def tariff(world: AigcWorld, params: AigcParams, joule: Array, toll: Array) -> Tariff:
    """Return the tariff of multiples ``[...]``: of :func:`joule_unit`, and of one task a device."""
    sharing = 1 if world.alone else world.devices
    joule = jnp.broadcast_to(jnp.asarray(joule)[..., None], (*jnp.shape(joule), world.devices))
    return Tariff(
        joule=joule * joule_unit(params),
        local_toll=jnp.asarray(toll),
        server_toll=jnp.asarray(toll) * sharing,
    )


def queues_of_actions(world: AigcWorld, params: AigcParams) -> tuple[Array, Array, Array]:
    """Return queue (-1 local), speed and the others' share of it for each action, ``[A, M]``."""
    shape = (world.actions, world.devices)
    location, _ = world.decode(jnp.broadcast_to(jnp.arange(world.actions)[:, None], shape))
    queue = jax.vmap(lambda one: world.queue(params, one))(location)
    at = jnp.maximum(queue, 0)
    speed = pick(world.at_queues(params, params.server_ghz), at)
    busy = pick(world.at_queues(params, params.background_utilisation), at)
    own = jnp.broadcast_to(params.device_ghz, (world.devices,))
    return queue, jnp.where(queue < 0, own, speed), jnp.where(queue < 0, 0.0, busy)


def _waits_s(params: AigcParams, depth_s: Array, utilisation: Array | float, slots: Array) -> Array:
    """Return how long the tasks of the next slots wait in all, one in each, behind a queue."""
    drained_s = params.slot_s * (1.0 - utilisation)
    rest_s = jnp.maximum(0.0, depth_s - slots * drained_s)
    return (depth_s**2 - rest_s**2) / (2.0 * drained_s)


def _second_cost(world: AigcWorld, params: AigcParams) -> Array:
    """Return what a second of delay costs the mean of the three modes."""
    weight = jnp.mean(params.mode_weights[:, 1]) if world.adaptive_weights else 1 / 3
    return params.reward_scale * weight / params.delay_norm_s
