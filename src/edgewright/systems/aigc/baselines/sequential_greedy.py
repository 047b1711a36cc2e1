"""Decide greedily in turn, each device behind those that chose before it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, Decision, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.systems.aigc import (
    AigcInputs,
    AigcParams,
    AigcState,
    AigcWorld,
    for_device,
    task_work,
)
from edgewright.systems.aigc.baselines.greedy import immediate_rewards
from edgewright.systems.aigc.baselines.shadow_prices import Tariff


def greedy_in_turn(
    world: AigcWorld,
    params: AigcParams,
    state: AigcState,
    x: AigcInputs,
    tariff: Tariff | None = None,
) -> Array:
    """Return the actions ``[M]`` of devices that choose in the order of their numbers.

    Each takes the best reward of this step behind the backlog *and* all that the devices before it
    have sent in this slot. For one device, and for devices that are alone, this is greedy.
    With a tariff, the reward less what it charges.
    """
    if world.devices == 1 or world.alone:
        rewards = immediate_rewards(world, params, state, x)
        if tariff is not None:
            rewards = rewards - tariff.paid(world, params, state, x)
        return jnp.argmax(rewards, axis=0).astype(jnp.int32)
    one = dataclasses.replace(world, devices=1)

    def turn(backlog: Array, device: Array) -> tuple[Array, Array]:
        numbers, here, task = for_device(params, state, x, device)
        here = dataclasses.replace(here, server_backlog_gcycles=backlog)
        rewards = immediate_rewards(one, numbers, here, task)
        if tariff is not None:
            own = dataclasses.replace(tariff, joule=tariff.joule[device][None])
            rewards = rewards - own.paid(one, numbers, here, task)
        action = jnp.argmax(rewards, axis=0).astype(jnp.int32)
        location, level = one.decode(action)
        queue = one.queue(numbers, location)
        sends = (queue >= 0) & (here.charge_pct >= numbers.charge_floor_pct)
        work = jnp.where(sends, task_work(numbers, task, level), 0.0)
        return backlog.at[jnp.maximum(queue, 0)].add(work), action[0]

    return jax.lax.scan(turn, state.server_backlog_gcycles, jnp.arange(world.devices))[1]


@record
class GreedyInTurn(Memoryless):
    """A dispatcher that sees every task of the slot, so that no two devices rush to one server.

    The order stands in for the order of service, which is random in the world: there a device waits
    behind half of the others, here behind all before it and none after it.
    """

    world: AigcWorld = static()

    def act(
        self, key: Array, carry: tuple[()], insight: PrivilegedObservation
    ) -> tuple[tuple[()], Decision]:
        """Return the action of every device."""
        action = greedy_in_turn(self.world, insight.params, insight.state, insight.x)
        return carry, Decision(action=action, aux=())
