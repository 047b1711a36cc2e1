"""A sensor on harvested energy sends a share of each picture, so its action is a number.

The last slot aside, what is not sent is kept, so the best share depends on charge and interest.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from edgewright.core.records import Decision, Memoryless, Outcome, record
from edgewright.core.spaces import Box
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Uniform
from edgewright.systems.registry import register_system
from edgewright.systems.simple import plain_system
from edgewright.systems.system import Metric


@record
class SensorParams:
    battery_j: jax.Array
    horizon_slots: jax.Array


@record
class SensorInputs:
    interest: jax.Array
    harvest_j: jax.Array


@record
class SensorState:
    charge_j: jax.Array
    slot: jax.Array


@record
class SensorMetrics:
    reward: jax.Array
    energy_j: jax.Array


@dataclasses.dataclass(frozen=True)
class SensorWorld:
    def inputs(self, params):
        interest, harvest = Uniform(low=0.0, high=1.0), Uniform(low=0.0, high=0.6)
        return Composite(into=SensorInputs, fields={"interest": interest, "harvest_j": harvest})

    def reset(self, params, x):
        return SensorState(charge_j=params.battery_j / 2, slot=jnp.zeros((), jnp.int32))

    def observe(self, params, state, x):
        return jnp.stack([state.charge_j / params.battery_j, x.interest])

    def step(self, params, state, action, x):
        sent_j = jnp.minimum(action, state.charge_j)
        reward = x.interest * sent_j
        charge = jnp.minimum(state.charge_j - sent_j + x.harvest_j, params.battery_j)
        slot = state.slot + 1
        return Outcome(
            state=SensorState(charge_j=charge, slot=slot),
            reward=reward,
            terminated=jnp.zeros((), bool),
            truncated=slot >= params.horizon_slots,
            metrics=SensorMetrics(reward=reward, energy_j=sent_j),
        )

    def observation_space(self, params):
        return Box(0.0, 1.0, (2,), names=("charge", "interest"))

    def action_space(self, params):
        return Box(0.0, 1.0, (), unit="J")


@record
class Random(Memoryless):
    def act(self, key, carry, insight):
        return carry, Decision(action=jax.random.uniform(key, ()), aux=())


@record
class Picky(Memoryless):
    def act(self, key, carry, insight):
        return carry, Decision(action=jnp.where(insight.x.interest >= 0.5, 1.0, 0.0), aux=())


register_system(
    plain_system(
        "sensor",
        SensorWorld,
        SensorParams,
        {"random": ("rule", lambda problem: Random()), "picky": ("rule", lambda problem: Picky())},
        metrics=(Metric("energy_j", "energy", "J", ".2f", "min"),),
    )
)
