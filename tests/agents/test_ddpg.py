"""DDPG: exploration, replay, targets, and what each switch does."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.ddpg import DDPG
from edgewright.core.errors import InputError
from edgewright.core.spaces import Bits, Box, Discrete
from edgewright.loops.online import Training, advance, init_training
from edgewright.nets.critics import action_values
from edgewright.systems.target_probe import HIGH, LOW, TargetParams, TargetWorld
from edgewright.testing import check_learner
from edgewright.training import store

WORLD, PARAMS = TargetWorld(), TargetParams(horizon_slots=jnp.float32(8))
SMALL = DDPG(
    hidden_sizes=(8,), num_envs=4, rollout_steps=8, buffer_size=96, batch_size=16,
    learning_starts=0.0, total_steps=1000.0, normalize_rewards=False,
)  # fmt: skip
TD3 = dataclasses.replace(SMALL, twin=True, policy_delay=2, target_noise=0.2, train_freq=4)
OBSERVED = Box(-1.0, 1.0, (3,))


def weights(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def begin(learner: DDPG) -> Training:
    return init_training(jax.random.key(0), WORLD, PARAMS, WORLD.inputs(PARAMS), learner)


def go(learner: DDPG, training: Training, rounds: int) -> Training:
    stream = WORLD.inputs(PARAMS)
    return advance(WORLD, PARAMS, stream, learner, training, jnp.int32(rounds), 8)[0]


@functools.cache
def after(learner: DDPG, rounds: int) -> Training:
    return go(learner, begin(learner), rounds)


@pytest.mark.parametrize(("learner", "world"), [(SMALL, WORLD), (TD3, TargetWorld(3))])
def test_it_keeps_the_laws_of_learners(learner: DDPG, world: TargetWorld) -> None:
    check_learner(learner, world, PARAMS)


def test_a_saved_training_goes_on_to_the_same_weights(tmp_path: Any) -> None:
    store.save_tree(tmp_path / "state.npz", after(TD3, 2), {})
    kept, _ = store.load_tree(tmp_path / "state.npz", begin(TD3))
    resumed, whole = go(TD3, kept, 3).learner, after(TD3, 5).learner
    for one, other in zip(jax.tree.leaves(resumed), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"twin": False}, {"policy_delay": 1}, {"normalize_rewards": True}, {"target_noise": 0.0},
        {"target_noise_clip": 0.01}, {"tau": 0.5}, {"gamma": 0.5}, {"actor_learning_rate": 0.1},
        {"critic_learning_rate": 0.1}, {"max_grad_norm": 1e-3}, {"normalize_observations": False},
        {"exploration_noise": 0.5}, {"learning_starts": 40.0},
    ],
    ids=str,
)  # fmt: skip
def test_every_setting_changes_the_result(change: dict[str, Any]) -> None:
    found = after(dataclasses.replace(TD3, **change), 4).learner.learned.networks[0]
    assert not np.allclose(weights(found), weights(after(TD3, 4).learner.learned.networks[0]))


def test_another_number_does_not_recompile() -> None:
    after(TD3, 4)
    count = advance._cache_size()
    after(dataclasses.replace(TD3, gamma=0.4, final_noise=0.3, target_noise=0.1), 4)
    assert advance._cache_size() == count


def test_gradient_steps_follow_the_played_steps_and_the_actor_waits() -> None:
    for rounds in (1, 3):  # 32 steps of the world a round, one gradient step for each 4
        learned = after(TD3, rounds).learner.learned
        assert int(learned.gradient_steps) == rounds * 8
        actor, critics = learned.optimisers
        assert int(critics[1].count) == rounds * 8
        assert int(actor[1].count) == rounds * 4
    rare = dataclasses.replace(TD3, train_freq=1000)
    learned = after(rare, 3).learner.learned
    assert int(learned.gradient_steps) == 3  # at least one an update
    assert int(learned.optimisers[0][1].count) == 1  # and the delay counts across updates


def test_nothing_is_learned_before_it_may_and_actions_are_random_until_then() -> None:
    learner = dataclasses.replace(TD3, learning_starts=40.0)  # of the world, not of agents
    start = weights(begin(learner).learner.learned)
    first, second = after(learner, 1).learner, after(learner, 2).learner
    np.testing.assert_array_equal(weights(first.learned), start)
    assert int(first.replay.filled) == 32
    assert not np.array_equal(weights(second.learned), start)
    assert bool(learner.policy(first, explore=True).at_random)
    assert not bool(learner.policy(second, explore=True).at_random)


def test_random_actions_fill_the_box_and_noise_is_in_half_ranges() -> None:
    state = begin(dataclasses.replace(TD3, learning_starts=40.0)).learner
    learner = dataclasses.replace(TD3, learning_starts=40.0, exploration_noise=0.25)
    observation = jnp.zeros((20_000, 1))

    def actions(steps: float, explore: bool = True) -> np.ndarray:
        policy = learner.policy(dataclasses.replace(state, steps=jnp.float32(steps)), explore)
        return np.asarray(policy.act(jax.random.key(0), (), observation)[1].action)

    drawn = actions(0.0)
    np.testing.assert_allclose(drawn.mean(0), np.mean([LOW, HIGH], axis=0), atol=0.05)
    np.testing.assert_allclose(drawn.std(0), np.subtract(HIGH, LOW) / 12**0.5, atol=0.05)
    noisy, quiet = actions(40.0), actions(40.0, explore=False)
    assert np.all((noisy >= LOW) & (noisy <= HIGH))
    assert np.all(quiet == quiet[0])
    share = float(learner._noise(jnp.float32(40.0)))
    np.testing.assert_allclose(noisy.std(0), share * np.array([2.0, 1.5]), rtol=0.03)


@pytest.mark.parametrize(
    ("decay", "steps", "noise"),
    [("linear", 250, 0.55), ("linear", 900, 0.1), ("exponential", 250, 0.1**0.5)],
)
def test_the_noise_falls(decay: Any, steps: int, noise: float) -> None:
    learner = dataclasses.replace(
        SMALL, exploration_noise=1.0, exploration_fraction=0.5, noise_decay=decay
    )
    assert float(learner._noise(jnp.float32(steps))) == pytest.approx(noise, rel=1e-5)


def test_samples_are_stored_raw_one_for_each_agent() -> None:
    world = TargetWorld(3)
    stream = world.inputs(PARAMS)
    learner = dataclasses.replace(SMALL, buffer_size=200)
    training = init_training(jax.random.key(0), world, PARAMS, stream, learner)
    state = advance(world, PARAMS, stream, learner, training, jnp.int32(1), 8)[0].learner
    rows, filled = state.replay.rows, int(state.replay.filled)
    assert filled == 4 * 8 * 3
    assert rows.action.shape == (200, 2)
    action, cue = np.asarray(rows.action[:filled]), np.asarray(rows.observation[:filled, 0])
    assert np.all((action >= LOW) & (action <= HIGH))
    assert action.max() > 2  # units of the world
    by_hand = -np.square(action - np.asarray(world.best_action(cue))).sum(1)
    np.testing.assert_allclose(rows.reward[:filled], by_hand, atol=1e-5)
    assert int(state.learned.gradient_steps) == 32  # of the world's steps, not of the agents'
    assert float(state.steps) == 32


def test_the_actor_follows_the_gradient_of_the_first_critic_in_the_action() -> None:
    learner = dataclasses.replace(TD3, twin=False)
    actor, critics = after(learner, 1).learner.learned.networks
    observation = jnp.array([[0.3], [-0.7]])
    gradient = jax.grad(lambda units: action_values(critics, observation, units).sum())
    units = actor(observation)
    slope = gradient(units)
    better = action_values(critics, observation, units + 1e-2 * slope)
    assert np.all(better > action_values(critics, observation, units))

    def value(network: Any) -> Any:
        return action_values(
            critics, observation, dataclasses.replace(actor, network=network)(observation)
        ).sum()

    by_chain = jax.grad(value)(actor.network).biases[-1]
    np.testing.assert_allclose(by_chain, (slope * (1 - jnp.square(units))).sum(0), rtol=1e-4)


def test_spaces_it_cannot_learn_are_named() -> None:
    learner = DDPG()
    for fits in (Box(0.0, 1.0, ()), Box(-np.inf, np.inf, (2,)), Box(-1.0, 1.0, (2, 3))):
        assert not learner.misfit(OBSERVED, fits)
    for space in (Discrete(3), Bits((2,)), Box(0.0, np.inf, (2,))):
        assert "all finite or all infinite" in learner.misfit(OBSERVED, space)
    assert "at least one number" in learner.misfit(OBSERVED, Box(0.0, 1.0, (0,)))
    many = Box(-1.0, 1.0, (3, 4))
    assert not learner.misfit(many, Box(0.0, 1.0, (3, 2)))
    assert "axes of its agents (3,)" in learner.misfit(many, Box(0.0, 1.0, (2,)))
    own = Box((0.0, 0.0, 0.0), (1.0, 2.0, 3.0), (3,))
    assert "the same bounds" in learner.misfit(many, own)


def test_sizes_that_do_not_fit_have_one_message() -> None:
    with pytest.raises(InputError, match="samples between two updates do not fit into 20 rows"):
        after(dataclasses.replace(SMALL, buffer_size=20), 1)
    decays = dataclasses.replace(SMALL, noise_decay="exponential", final_noise=0.0)
    with pytest.raises(InputError, match="final_noise must be above 0"):
        decays.check_sizes(OBSERVED, Box(0.0, 1.0, (2,)))


@pytest.mark.parametrize("space", [Box(0.0, 1.0, ()), Box(-np.inf, np.inf, (2, 3))])
def test_numbers_of_any_shape_are_played(space: Box) -> None:
    state = SMALL.init(jax.random.key(0), OBSERVED, space)
    for explore in (True, False):
        policy = SMALL.policy(dataclasses.replace(state, steps=jnp.float32(1.0)), explore)
        action = policy.act(jax.random.key(1), (), jnp.zeros((5, 3)))[1].action
        assert action.shape == (5, *space.shape)
