"""Define a world, train a shipped learner in it, and compare the result with a rule and a bound.

    python examples/own_world.py

A sensor harvests energy. In each slot it sends its picture in full, as a thumbnail, or not at all.
Energy that it spends now is missing later.
"""

import dataclasses
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp

import edgewright as ew
from edgewright.core.records import Decision, Outcome, record
from edgewright.core.spaces import Box, Discrete
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Uniform
from edgewright.systems.simple import plain_system

STEPS = 2e4


@record
class SensorParams:
    """Numbers of the world. Another value does not recompile."""

    battery_j: jax.Array
    cost_j: jax.Array  # [3] energy to send nothing, a thumbnail, the full picture
    quality: jax.Array  # [3] value of what was sent, relative to the full picture
    horizon_slots: jax.Array


@record
class SensorInputs:
    """What arrives in one slot; the policy cannot influence it."""

    interest: jax.Array  # value of the picture
    harvest_j: jax.Array


@record
class SensorState:
    """What one slot leaves to the next."""

    charge_j: jax.Array
    slot: jax.Array


@record
class SensorMetrics:
    """Physical quantities of one slot."""

    reward: jax.Array
    energy_j: jax.Array


@dataclasses.dataclass(frozen=True)
class SensorWorld:
    """The physics, for one sensor. No method takes a random key: chance arrives in ``x``."""

    def inputs(self, params):
        fields = {"interest": Uniform(low=0.0, high=1.0), "harvest_j": Uniform(low=0.0, high=0.8)}
        return Composite(into=SensorInputs, fields=fields)

    def reset(self, params, x):
        return SensorState(charge_j=params.battery_j / 2, slot=jnp.zeros((), jnp.int32))

    def observe(self, params, state, x):
        return jnp.stack([state.charge_j / params.battery_j, x.interest, x.harvest_j])

    def step(self, params, state, action, x):
        action = jnp.where(params.cost_j[action] <= state.charge_j, action, 0)
        energy_j = params.cost_j[action]
        reward = x.interest * params.quality[action]
        charge_j = jnp.minimum(state.charge_j - energy_j + x.harvest_j, params.battery_j)
        state = SensorState(charge_j=charge_j, slot=state.slot + 1)
        return Outcome(
            state=state,
            reward=reward,
            terminated=jnp.zeros((), bool),
            truncated=state.slot >= params.horizon_slots,
            metrics=SensorMetrics(reward=reward, energy_j=energy_j),
        )

    def observation_space(self, params):
        return Box(0.0, 1.0, (3,), names=("charge", "interest", "harvest"))

    def action_space(self, params):
        return Discrete(3)


@record
class Random:
    """Draws every action. Each system has this policy: it is the zero of the score."""

    def init_carry(self, key):
        return ()

    def act(self, key, carry, observation):
        return carry, Decision(action=jax.random.randint(key, (), 0, 3), aux=())


@record
class Threshold:
    """Sends in full what is worth at least ``threshold``."""

    threshold: float = 0.5

    def init_carry(self, key):
        return ()

    def act(self, key, carry, observation):
        action = jnp.where(observation.x.interest >= self.threshold, 2, 0)
        return carry, Decision(action=action.astype(jnp.int32), aux=())


def bound(problem, inputs, post_termination_reward):
    """Return an upper bound on the mean reward of each episode, by pricing energy (Lagrange)."""
    params, horizon = problem.params, problem.horizon
    rewards = inputs.interest[:-1, :, None] * params.quality  # [T, E, 3]
    usable_j = params.battery_j / 2 + jnp.sum(inputs.harvest_j[: horizon - 1], axis=0)

    def at(price):
        best = jnp.max(rewards - price * params.cost_j, axis=-1)
        return jnp.sum(best, axis=0) + price * usable_j

    return jnp.min(jax.vmap(at)(jnp.linspace(0.0, 2.0, 101)), axis=0) / horizon


ew.register_system(
    plain_system(
        "sensor",
        SensorWorld,
        SensorParams,
        {
            "random": ("rule", lambda problem: Random()),
            "threshold": ("rule", lambda problem: Threshold()),
        },
        bound=bound,
    )
)

SCENARIO = """
schema = 1
name = "sensor"
title = "A sensor that harvests energy"

[world]
kind = "sensor"

[params]
battery_j = 5.0
cost_j = [0.0, 0.3, 1.0]
quality = [0.0, 0.5, 1.0]
horizon_slots = 100

[evaluation]
episodes = 20
seed = 1
post_termination_reward = 0.0
baseline = "threshold"
reference = "threshold"

[training]
learner = "se-ppo"
steps = 1e5
"""

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "sensor.toml"
    file.write_text(SCENARIO)
    problem = ew.make(str(file))
    ew.check_world(problem.world, problem.params)
    run = ew.train(problem, steps=STEPS)
    print(ew.compare(problem, ["threshold", run]))
