"""Decide greedily with prices, by the threshold policy that belongs to a battery price.

At a price of a joule, an action is worth its reward less what it draws. One price for all slots of
an episode is what Lagrangian duality asks for, and it can be read: *spend a joule only where it
brings more than this*. The price depends on the charge an episode begins with; it is found by
playing on training inputs, so the policy knows nothing of the episodes it is judged on.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.protocols import Stream
from edgewright.core.records import Array, Decision, record, static
from edgewright.loops.evaluate import (
    PrivilegedObservation,
    episode_inputs,
    full_information,
    run_episodes_each,
    summarise,
)
from edgewright.systems.aigc import AigcParams, AigcWorld
from edgewright.systems.aigc.baselines.sequential_greedy import greedy_in_turn
from edgewright.systems.aigc.baselines.shadow_prices import Tariff, joule_unit, tariff

MULTIPLES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 4.0, 6.0)
"""Prices of a joule that are tried, in units of what the reward itself asks at weight 1."""

USABLE = (0.02, 0.06, 0.11, 0.17, 0.23, 0.33, 0.45, 0.6, 0.8, 1.0)
"""Shares of the usable charge for which a price is found; it is interpolated between."""

EPISODES = 8
"""Training episodes that each price is tried on, the same for all."""


@record
class BatteryPrice:
    """Take the best reward less the price of the joules it draws and of the room it takes.

    Attributes:
        charge_pct: ``[C]`` rising; an episode's price is looked up with its first charge and held.
        joule: ``[C]`` reward per joule.
        toll: see :class:`Tariff`; 0 prices the battery only.
    """

    charge_pct: Array
    joule: Array
    toll: Array
    world: AigcWorld = static()

    def init_carry(self, key: Array) -> Array:
        """Return the price of each device, not yet known: negative."""
        return jnp.full(self.world.devices, -1.0)

    def prices(self, carry: Array, insight: PrivilegedObservation) -> tuple[Array, Tariff]:
        """Return the price of a joule of each device ``[M]``, and the tariff it belongs to."""
        looked_up = jnp.interp(insight.state.charge_pct, self.charge_pct, self.joule)
        joule = jnp.where(carry < 0, looked_up, carry)
        of_tolls = tariff(self.world, insight.params, jnp.zeros(()), self.toll)
        return joule, dataclasses.replace(of_tolls, joule=joule)

    def act(
        self, key: Array, carry: Array, insight: PrivilegedObservation
    ) -> tuple[Array, Decision]:
        """Return the action of every device."""
        joule, prices = self.prices(carry, insight)
        action = greedy_in_turn(self.world, insight.params, insight.state, insight.x, prices)
        return joule, Decision(action=action, aux=())


def price_battery(
    key: Array,
    world: AigcWorld,
    params: AigcParams,
    stream: Stream[Any],
    slots: int,
    tolls: tuple[float, ...] = (0.0,),
) -> BatteryPrice:
    """Return the policy whose prices earn most on episodes of ``stream``. Consumes ``key``.

    For every charge of a grid, each price is played on the same episodes and the best mean reward
    wins; of the tolls the one that is best on average over the charges.

    Args:
        stream: where the episodes come from, the train part: it must not be the judged one.
        slots: length of an episode.
    """
    floor = float(params.charge_floor_pct)
    charges = floor + (100.0 - floor) * np.asarray(USABLE, np.float32)
    prices = np.asarray(MULTIPLES, np.float32) * float(joule_unit(params))
    fixed_inputs = {"initial_charge_pct": [100.0]}
    rows = episode_inputs(key, stream, EPISODES, slots, fixed_inputs)
    earned = np.asarray(
        _earned(world, params, rows, jnp.asarray(charges), jnp.asarray(prices), jnp.asarray(tolls))
    )
    toll = int(np.argmax(np.mean(np.max(earned, axis=2), axis=1)))
    best = np.argmax(earned[toll], axis=1)
    return BatteryPrice(
        world=world,
        charge_pct=jnp.asarray(charges),
        joule=jnp.asarray(prices[best]),
        toll=jnp.float32(tolls[toll]),
    )


@functools.partial(jax.jit, static_argnames=("world",))
def _earned(
    world: AigcWorld, params: AigcParams, rows: Any, charges: Array, prices: Array, tolls: Array
) -> Array:
    """Return the mean reward ``[tolls, charges, prices]`` over the episodes of ``rows``."""
    every = jnp.stack(jnp.meshgrid(charges, prices, indexing="ij"), axis=-1).reshape(-1, 2)
    episodes = rows.gap_s.shape[1]
    charge, joule = jnp.repeat(every, episodes, axis=0).T
    tiled = jax.tree.map(
        lambda leaf: jnp.tile(leaf, (1, len(every)) + (1,) * (leaf.ndim - 2)), rows
    )
    initial = jnp.broadcast_to(charge[None, :, None], tiled.initial_charge_pct.shape)
    tiled = dataclasses.replace(tiled, initial_charge_pct=initial)

    def at(toll: Array) -> Array:
        policies = BatteryPrice(
            world=world,
            charge_pct=jnp.zeros((charge.size, 1)),
            joule=joule[:, None],
            toll=jnp.broadcast_to(toll, charge.shape),
        )
        played = run_episodes_each(
            jax.random.key(0), world, params, policies, tiled, observe_fn=full_information
        )  # the policy draws nothing
        reward = summarise(played, params.rejected_reward)["reward"]
        return jnp.mean(reward.reshape(len(charges), len(prices), episodes), axis=-1)

    return jax.lax.map(at, tolls)
