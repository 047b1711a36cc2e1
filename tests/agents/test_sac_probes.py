"""SAC learns worlds whose best numbers and values are known exactly, with either actor."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.sac import SAC
from edgewright.core.records import Array
from edgewright.loops.online import advance, init_training
from edgewright.nets.critics import action_values
from edgewright.systems.probes import NumberProbe, ProbeParams, ProbeState, probe
from edgewright.systems.target_probe import TargetParams, TargetState, TargetWorld

GAMMA, SEEDS = 0.8, 6
MARGIN = 0.1
"""Largest error of a learned value, as a share of the largest exact value of the probe."""

TARGET = SAC(
    gamma=0.0, actor_learning_rate=3e-3, critic_learning_rate=4e-3, learning_starts=500.0,
    temperature_learning_rate=3e-3, hidden_sizes=(32,), critic_hidden_sizes=(32, 32),
    buffer_size=8192, batch_size=32,
)  # fmt: skip
DIFFUSION: dict[str, Any] = {"actor": "diffusion"}


@pytest.mark.parametrize(
    ("agents", "switches", "largest"),
    [
        (0, {}, 0.25),
        (0, DIFFUSION, 0.25),
        (0, DIFFUSION | {"parameterisation": "eps_clip"}, 0.25),
        (3, DIFFUSION | {"entropy": "none", "num_candidates": 4}, 0.25),
    ],
    ids=["gaussian", "diffusion", "eps_clip", "no entropy, three agents, best of 4"],
)
def test_every_seed_finds_the_best_numbers(
    train_seeds: Any, agents: int, switches: Any, largest: float
) -> None:
    world, params = TargetWorld(agents), TargetParams(horizon_slots=jnp.float32(8))
    learner: Any = dataclasses.replace(TARGET, **switches)
    states = train_seeds(world, params, learner, 60, SEEDS)
    np.testing.assert_array_less(misses(world, params, learner, states), largest)


def test_a_bounded_noise_does_worse(train_seeds: Any) -> None:
    """``tanh_eps`` cannot cancel Gaussian tails: some of its actions miss by half the box."""
    world, params = TargetWorld(), TargetParams(horizon_slots=jnp.float32(8))
    learner: Any = dataclasses.replace(TARGET, **DIFFUSION, parameterisation="tanh_eps")
    states = train_seeds(world, params, learner, 60, 2)
    assert np.all(np.asarray(misses(world, params, learner, states)) > 1.0)


def misses(world: TargetWorld, params: TargetParams, learner: SAC, states: Any) -> Array:
    """Return the largest miss of each seed at five cues and 40 draws of the chain."""
    cue = jnp.linspace(-0.8, 0.8, 5)
    cue = jnp.tile(cue[:, None], (1, world.agents)) if world.agents else cue
    slot = jnp.zeros((), jnp.int32)
    seen = jax.vmap(lambda one: world.observe(params, TargetState(cue=one, slot=slot), None))(cue)

    def miss(state: Any, key: Array) -> Array:
        _, decision = learner.policy(state, explore=False).act(key, (), seen)
        return jnp.max(jnp.abs(decision.action - world.best_action(cue)))

    each = jax.vmap(miss, in_axes=(None, 0))
    keys = jax.random.split(jax.random.key(1), 40)
    return jnp.max(jax.vmap(each, in_axes=(0, None))(states, keys), axis=1)


@functools.cache
def of_probe(name: str, actor: Any) -> Any:
    learner = SAC(
        gamma=GAMMA, tau=0.02, learning_starts=200.0, normalize_rewards=False, hidden_sizes=(16,),
        critic_hidden_sizes=(16,), train_freq=2, buffer_size=8192, batch_size=64, actor=actor,
        actor_learning_rate=3e-3, critic_learning_rate=2e-3, critic_activation="tanh",
        temperature="fixed", initial_temperature=0.003, denoising_steps=3,
    )  # fmt: skip
    return _train_probe(jax.random.key(1), probe(name), learner)


@jax.jit
def _train_probe(key: Array, params: ProbeParams, learner: SAC) -> Any:
    world = NumberProbe()
    stream = world.inputs(params)
    start = init_training(key, world, params, stream, learner)
    return advance(world, params, stream, learner, start, jnp.int32(80), 80)[0].learner


@pytest.mark.parametrize("actor", ["gaussian", "diffusion"])
@pytest.mark.parametrize("name", ["late", "match", "clock", "finite"])
def test_the_critic_learns_the_exact_value(name: str, actor: str) -> None:
    """With a temperature near 0 the soft value is the plain one."""
    world, params = NumberProbe(), probe(name)
    state = of_probe(name, actor)
    exact, found = [], []
    for slot in range(1 if name == "clock" else int(params.slots)):
        for cue in (-1.0, 1.0):
            seen = world.observe(
                params, ProbeState(cue=jnp.float32(cue), slot=jnp.int32(slot)), None
            )
            inputs, learned = state.inputs(seen), state.learned
            noise = jax.random.normal(jax.random.key(2), (learned.actor.greedy_draws, 1))
            units = learned.actor.greedy(inputs, noise)
            if name == "match":
                assert float(units[0]) * cue > 0.9
            found.append(float(action_values(learned.critics, inputs, units)[0]))
            exact.append(float(world.value(params, jnp.float32(cue), jnp.float32(slot), GAMMA)))
    np.testing.assert_allclose(found, exact, atol=MARGIN * max(map(abs, exact)))
