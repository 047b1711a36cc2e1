"""Every learner learns every probe: exact values within a margin, and the right action.

One compilation per learner: the probes are numbers of one world. Rewards are not normalised, so
that the critic's values are the world's.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.dqn import DQN, DQNState, action_values
from edgewright.agents.ppo import PPO, PPOState
from edgewright.core.records import Array
from edgewright.loops.online import advance, init_training
from edgewright.systems.probes import PROBES, ProbeState, ProbeWorld, probe

WORLD = ProbeWorld()
GAMMA = 0.8
MARGIN = 0.1
"""Largest error of a learned value, as a share of the largest exact value of the probe."""

SMALL_PPO = PPO(
    gamma=GAMMA,
    actor_learning_rate=3e-3,
    critic_learning_rate=3e-3,
    total_steps=150.0 * 128,
    normalize_rewards=False,
    hidden_sizes=(16,),
    num_envs=8,
    rollout_steps=16,
    epochs=4,
    batch_size=32,
)

LEARNERS: dict[str, tuple[Any, int]] = {  # with the updates each is given
    "ppo": (SMALL_PPO, 150),
    "all-actions": (
        dataclasses.replace(SMALL_PPO, all_actions=True, expected_returns=True, critic_knots=4),
        150,
    ),
    "a2c": (
        PPO(
            gamma=GAMMA,
            actor_learning_rate=7e-4,
            critic_learning_rate=7e-4,
            clip_eps=1e9,
            gae_lambda=1.0,
            normalize_advantages=False,
            normalize_observations=False,
            normalize_rewards=False,
            warmup=False,
            decay=False,
            hidden_sizes=(16,),
            num_envs=16,
            rollout_steps=8,
            epochs=1,
            batch_size=128,
        ),
        2500,
    ),
    "dqn": (
        DQN(
            gamma=GAMMA,
            learning_rate=2e-3,
            total_steps=300.0 * 128,
            learning_starts=200.0,
            target_update_interval=256.0,
            normalize_rewards=False,
            hidden_sizes=(16,),
            buffer_size=4096,
        ),
        300,
    ),
}


@functools.cache
def trained(learner_name: str, probe_name: str) -> Any:
    """Return the state of a learner after its updates on a probe."""
    learner, updates = LEARNERS[learner_name]
    params = probe(probe_name)
    stream = WORLD.inputs(params)
    training = init_training(jax.random.key(1), WORLD, params, stream, learner)
    done = advance(WORLD, params, stream, learner, training, jnp.int32(updates), 2500)
    return done[0].learner


def learned_value(learner: Any, state: Any, observation: Array) -> float:
    seen = state.inputs(observation)
    if isinstance(state, PPOState):
        return float(state.networks[1](seen)[0])
    assert isinstance(state, DQNState)
    return float(jnp.max(action_values(state.network, seen, learner.dueling)))


@pytest.mark.parametrize("probe_name", PROBES)
@pytest.mark.parametrize("learner_name", LEARNERS)
def test_values_and_actions_are_learned(learner_name, probe_name):
    learner, params = LEARNERS[learner_name][0], probe(probe_name)
    state = trained(learner_name, probe_name)
    policy = learner.policy(state, explore=False)
    exact, found = [], []
    for slot in range(1 if probe_name == "clock" else int(params.slots)):
        for cue in (-1.0, 1.0):
            seen = WORLD.observe(params, ProbeState(cue=cue, slot=jnp.int32(slot)), None)
            exact.append(float(WORLD.value(params, jnp.float32(cue), jnp.float32(slot), GAMMA)))
            found.append(learned_value(learner, state, seen))
            if probe_name in ("action", "match"):
                _, decision = policy.act(jax.random.key(0), (), seen)
                assert int(decision.action) == int(WORLD.best_action(params, jnp.float32(cue)))
    np.testing.assert_allclose(found, exact, atol=MARGIN * max(map(abs, exact)))


@pytest.mark.parametrize(
    ("name", "cue", "slot", "value"),
    [
        ("constant", 1, 0, 1.0),
        ("cue", -1, 0, -1.0),
        ("cue", 1, 0, 1.0),
        ("late", 1, 0, GAMMA),
        ("late", 1, 1, 1.0),
        ("action", 1, 0, 1.0),
        ("match", -1, 0, 1.0),
        ("clock", 1, 0, 1 / (1 - GAMMA)),
        ("finite", 1, 0, 1 + GAMMA + GAMMA**2),
        ("finite", 1, 2, 1.0),
    ],
)
def test_the_known_values_are_those_of_the_docstring(name, cue, slot, value):
    found = WORLD.value(probe(name), jnp.float32(cue), jnp.float32(slot), GAMMA)
    assert float(found) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("name", PROBES)
def test_the_known_value_is_the_discounted_reward_of_the_best_action(name):
    params = probe(name)
    for cue in (0, 1):
        x = type(
            WORLD.inputs(params).next_rows(WORLD.inputs(params).init_carry(jax.random.key(0)), 1)[1]
        )(cue=jnp.int32(cue))
        state, total, over = WORLD.reset(params, x), 0.0, False
        action = WORLD.best_action(params, state.cue)
        for slot in range(60):
            outcome = WORLD.step(params, state, action, x)
            total += GAMMA**slot * float(outcome.reward)
            state = outcome.state
            over = bool(outcome.terminated)
            if over:
                break
        assert over != (name == "clock")
        exact = WORLD.value(params, jnp.float32(2 * cue - 1), jnp.float32(0), GAMMA)
        assert total == pytest.approx(float(exact), abs=1e-4)
