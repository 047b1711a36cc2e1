"""DDPG and TD3 learn worlds whose best numbers and values are known exactly."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.ddpg import DDPG
from edgewright.core.records import Array
from edgewright.loops.online import advance, init_training
from edgewright.nets.critics import action_values
from edgewright.systems.probes import NumberProbe, ProbeParams, ProbeState, probe
from edgewright.systems.target_probe import TargetParams, TargetWorld

GAMMA, SEEDS = 0.8, 10
MARGIN = 0.1
"""Largest error of a learned value, as a share of the largest exact value of the probe."""

TARGET = DDPG(
    gamma=0.0, actor_learning_rate=1e-3, critic_learning_rate=4e-3, learning_starts=500.0,
    hidden_sizes=(32,), num_envs=8, rollout_steps=16, train_freq=1, buffer_size=8192,
    batch_size=32,
)  # fmt: skip
TD3: dict[str, Any] = {"twin": True, "policy_delay": 2, "target_noise": 0.2}


@dataclasses.dataclass(frozen=True)
class WideWorld(TargetWorld):
    """The target probe observed in a unit a thousand times too small, off its zero."""

    def observe(self, params: Any, state: Any, x: Any) -> Array:
        return 1000.0 * super().observe(params, state, x) + 3000.0


def misses(world: TargetWorld, learner: DDPG, states: Any) -> Array:
    """Return the largest miss of each seed at five cues."""
    params = TargetParams(horizon_slots=jnp.float32(8))
    cue = jnp.linspace(-0.8, 0.8, 5)
    cue = jnp.tile(cue[:, None], (1, world.agents)) if world.agents else cue
    seen = jax.vmap(lambda one: world.observe(params, _State(cue=one), None))(cue)

    def miss(state: Any) -> Array:
        _, decision = learner.policy(state, explore=False).act(jax.random.key(1), (), seen)
        return jnp.max(jnp.abs(decision.action - world.best_action(cue)))

    return jax.vmap(miss)(states)


@dataclasses.dataclass
class _State:
    cue: Array


@pytest.mark.parametrize(
    ("world", "switches"),
    [(TargetWorld(), {}), (TargetWorld(3), {}), (WideWorld(), TD3)],
    ids=["ddpg", "ddpg, three agents", "td3, wide inputs"],
)
def test_every_seed_finds_the_best_numbers(
    train_seeds: Any, world: TargetWorld, switches: dict[str, Any]
) -> None:
    learner = dataclasses.replace(TARGET, **switches)
    params = TargetParams(horizon_slots=jnp.float32(8))
    states = train_seeds(world, params, learner, 60, SEEDS)
    np.testing.assert_array_less(misses(world, learner, states), 0.35)


def test_without_the_normaliser_wide_inputs_saturate_every_neuron() -> None:
    world, params = WideWorld(), TargetParams(horizon_slots=jnp.float32(8))
    spaces = world.observation_space(params), world.action_space(params)
    seen = jnp.array([[2200.0], [3800.0]])  # cues -0.8 and 0.8
    for switch, saturated in ((True, False), (False, True)):
        learner = dataclasses.replace(TARGET, normalize_observations=switch)
        state = learner.init(jax.random.key(0), *spaces)
        inputs = state.inputs.merged(jnp.linspace(2000.0, 4000.0, 99)[:, None])
        network = state.learned.networks[0].network
        hidden = jnp.tanh(inputs(seen) @ network.weights[0] + network.biases[0])
        assert bool(jnp.all(jnp.abs(hidden) > 0.999)) == saturated


@functools.cache
def of_probe(name: str, switches: tuple[tuple[str, Any], ...]) -> tuple[DDPG, Any]:
    learner = DDPG(
        gamma=GAMMA, tau=0.02, learning_starts=200.0, normalize_rewards=False, hidden_sizes=(16,),
        train_freq=2, buffer_size=8192, batch_size=64, max_grad_norm=10.0, **dict(switches),
    )  # fmt: skip
    return learner, _train_probe(jax.random.key(1), probe(name), learner)


@jax.jit
def _train_probe(key: Array, params: ProbeParams, learner: DDPG) -> Any:
    world = NumberProbe()
    stream = world.inputs(params)
    start = init_training(key, world, params, stream, learner)
    return advance(world, params, stream, learner, start, jnp.int32(60), 60)[0].learner


@pytest.mark.parametrize("switches", [{}, TD3 | {"target_noise": 0.0}], ids=["ddpg", "td3"])
@pytest.mark.parametrize("name", ["late", "match", "clock", "finite"])
def test_the_critic_learns_the_exact_value(name: str, switches: dict[str, Any]) -> None:
    """``late`` delays the reward, ``clock`` is only cut, ``finite`` ends."""
    world, params = NumberProbe(), probe(name)
    learner, state = of_probe(name, tuple(switches.items()))
    exact, found = [], []
    for slot in range(1 if name == "clock" else int(params.slots)):
        for cue in (-1.0, 1.0):
            seen = world.observe(
                params, ProbeState(cue=jnp.float32(cue), slot=jnp.int32(slot)), None
            )
            actor, critics = state.learned.networks
            inputs = state.inputs(seen)
            units = actor(inputs)
            if name == "match":
                assert float(units[0]) * cue > 0.9
            found.append(float(action_values(critics, inputs, units)[0]))
            exact.append(float(world.value(params, jnp.float32(cue), jnp.float32(slot), GAMMA)))
    np.testing.assert_allclose(found, exact, atol=MARGIN * max(map(abs, exact)))
    assert learner.gamma == GAMMA
