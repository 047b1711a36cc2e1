"""SAC: its actors, entropy, temperature, replay, and what each switch does."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.sac import SAC
from edgewright.core.errors import InputError
from edgewright.core.spaces import Bits, Box, Discrete
from edgewright.loops.online import Training, advance, init_training
from edgewright.nets.critics import action_values
from edgewright.systems.target_probe import HIGH, LOW, TargetParams, TargetWorld
from edgewright.testing import check_learner
from edgewright.training import store

WORLD, PARAMS = TargetWorld(), TargetParams(horizon_slots=jnp.float32(8))
SMALL = SAC(
    hidden_sizes=(8,), critic_hidden_sizes=(8,), num_envs=4, rollout_steps=8, buffer_size=96,
    batch_size=16, learning_starts=0.0, total_steps=1000.0, normalize_rewards=False, train_freq=4,
)  # fmt: skip
DIFFUSION = dataclasses.replace(SMALL, actor="diffusion", denoising_steps=3)
OBSERVED = Box(-1.0, 1.0, (3,))


def weights(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def begin(learner: SAC) -> Training:
    return init_training(jax.random.key(0), WORLD, PARAMS, WORLD.inputs(PARAMS), learner)


def go(learner: SAC, training: Training, rounds: int) -> Training:
    stream = WORLD.inputs(PARAMS)
    return advance(WORLD, PARAMS, stream, learner, training, jnp.int32(rounds), 8)[0]


@functools.cache
def after(learner: SAC, rounds: int) -> Training:
    return go(learner, begin(learner), rounds)


@pytest.mark.parametrize(
    ("learner", "world"),
    [(SMALL, WORLD), (DIFFUSION, TargetWorld(3))],
    ids=["gaussian", "diffusion, three agents"],
)
def test_it_keeps_the_laws_of_learners(learner: SAC, world: TargetWorld) -> None:
    check_learner(learner, world, PARAMS)


def test_a_saved_training_goes_on_to_the_same_weights(tmp_path: Any) -> None:
    store.save_tree(tmp_path / "state.npz", after(DIFFUSION, 2), {})
    kept, _ = store.load_tree(tmp_path / "state.npz", begin(DIFFUSION))
    resumed, whole = go(DIFFUSION, kept, 3).learner, after(DIFFUSION, 5).learner
    for one, other in zip(jax.tree.leaves(resumed), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"actor_learning_rate": 0.1}, {"critic_learning_rate": 0.1}, {"gamma": 0.5},
        {"temperature_learning_rate": 0.1}, {"tau": 0.5}, {"initial_temperature": 0.1},
        {"max_grad_norm": 1e-3}, {"learning_starts": 40.0},
        {"bc_coef": 1.0}, {"weight_decay": 1.0}, {"entropy": "none"}, {"temperature": "fixed"},
        {"huber": True}, {"normalize_q": True}, {"normalize_observations": False},
        {"normalize_rewards": True}, {"denoising_steps": 2}, {"noise_schedule": "cosine"},
        {"parameterisation": "eps_clip"}, {"parameterisation": "tanh_eps"}, {"actor": "gaussian"},
        {"critic_activation": "mish"},
    ],
    ids=str,
)  # fmt: skip
def test_every_setting_changes_the_result(change: dict[str, Any]) -> None:
    found = weights(after(dataclasses.replace(DIFFUSION, **change), 4).learner.learned.actor)
    before = weights(after(DIFFUSION, 4).learner.learned.actor)
    assert found.shape != before.shape or not np.allclose(found, before, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("change", [{"exploration_noise": 0.4}, {"bc_quantile": 0.2}], ids=str)
def test_settings_of_an_option_change_the_result_with_it(change: dict[str, Any]) -> None:
    learner = dataclasses.replace(DIFFUSION, entropy="none", bc_coef=1.0)
    found = after(dataclasses.replace(learner, **change), 4).learner.learned.actor
    assert not np.allclose(weights(found), weights(after(learner, 4).learner.learned.actor))


def test_another_number_does_not_recompile() -> None:
    after(DIFFUSION, 4)
    count = advance._cache_size()
    after(dataclasses.replace(DIFFUSION, gamma=0.0, bc_coef=0.1, tau=0.1, weight_decay=0.1), 4)
    assert advance._cache_size() == count


def test_a_bandit_never_asks_for_the_next_action() -> None:
    """With gamma = 0 the target is the reward, whatever the target critics hold."""
    learner = dataclasses.replace(SMALL, gamma=0.0, learning_starts=0.0)
    training = after(learner, 1)
    wild = jax.tree.map(lambda leaf: leaf * jnp.nan, training.learner.learned.target_critics)
    learned = dataclasses.replace(training.learner.learned, target_critics=wild)
    state = dataclasses.replace(training.learner, learned=learned)
    found = go(learner, dataclasses.replace(training, learner=state), 1).learner.learned
    assert np.all(np.isfinite(weights(found.critics)))
    assert np.all(np.isfinite(weights(found.actor)))


def test_gradient_steps_follow_the_played_steps() -> None:
    for rounds in (1, 3):  # 32 steps of the world a round, one gradient step for each 4
        learned = after(SMALL, rounds).learner.learned
        assert int(learned.gradient_steps) == rounds * 8
        assert [int(one[1].count) for one in learned.optimisers] == [rounds * 8] * 3


def test_learning_begins_where_random_actions_end() -> None:
    learner = dataclasses.replace(SMALL, learning_starts=64.0)  # exactly two rounds
    start = weights(begin(learner).learner.learned)
    first, second = after(learner, 1).learner, after(learner, 2).learner
    np.testing.assert_array_equal(weights(first.learned), start)
    assert bool(learner.policy(first, explore=True).at_random)
    assert not np.array_equal(weights(second.learned), start)
    assert not bool(learner.policy(second, explore=True).at_random)


@pytest.mark.parametrize("learner", [SMALL, DIFFUSION], ids=["gaussian", "diffusion"])
def test_random_actions_fill_the_box_and_drawn_ones_stay_in_it(learner: SAC) -> None:
    state = begin(learner).learner
    observation = jnp.zeros((5_000, 1))

    def actions(learner: SAC, explore: bool) -> np.ndarray:
        policy = learner.policy(state, explore)
        return np.asarray(policy.act(jax.random.key(0), (), observation)[1].action)

    anything = actions(dataclasses.replace(learner, learning_starts=1.0), explore=True)
    np.testing.assert_allclose(anything.mean(0), np.mean([LOW, HIGH], axis=0), atol=0.1)
    np.testing.assert_allclose(anything.std(0), np.subtract(HIGH, LOW) / 12**0.5, atol=0.1)
    for explore in (True, False):
        found = actions(learner, explore)
        assert np.all((found >= LOW) & (found <= HIGH))
    if learner.actor == "gaussian":
        assert np.all(found == found[0])


@pytest.mark.parametrize(("scale", "rises"), [(1.0, True), (10.0, False)])
def test_the_temperature_rises_where_entropy_is_below_what_is_wanted(
    scale: float, rises: bool
) -> None:
    """Two numbers with deviation exp(-5) have about -7 nats; wanted are -2, or -20."""
    learner = dataclasses.replace(
        SMALL, target_entropy_scale=scale, initial_temperature=0.1, actor_learning_rate=0.0
    )
    training = begin(learner)
    learned = training.learner.learned
    network = learned.actor.network
    quiet = network.biases[-1].at[2:].set(-5.0)
    network = dataclasses.replace(network, biases=(*network.biases[:-1], quiet))
    actor = dataclasses.replace(learned.actor, network=network)
    learned = dataclasses.replace(learned, actor=actor)
    state = dataclasses.replace(training.learner, learned=learned)
    after = go(learner, dataclasses.replace(training, learner=state), 2).learner.learned
    assert (float(after.log_temperature) > float(np.log(0.1))) == rises


def test_a_fixed_temperature_stays() -> None:
    fixed = dataclasses.replace(SMALL, temperature="fixed", initial_temperature=0.3)
    found = after(fixed, 4).learner.learned.log_temperature
    np.testing.assert_allclose(np.exp(found), 0.3, rtol=1e-6)


def test_of_several_candidates_the_least_critic_likes_the_chosen_one_most() -> None:
    learner = dataclasses.replace(DIFFUSION, num_candidates=8)
    state = after(DIFFUSION, 4).learner
    policy = learner.policy(state, explore=False)
    seen = policy.inputs(jnp.array([[0.3], [-0.7], [0.0]]))
    noise = jax.random.normal(jax.random.key(5), (8, 3, policy.actor.greedy_draws, 2))
    units = jnp.stack([policy.actor.greedy(seen, one) for one in noise])
    critics = state.learned.critics
    least = jnp.stack([action_values(critics, seen, one).min(-1) for one in units])
    best = policy.best_of(seen, noise)
    np.testing.assert_allclose(action_values(critics, seen, best).min(-1), least.max(0), rtol=1e-5)
    assert len(np.unique(np.argmax(least, axis=0))) > 1 or np.ptp(np.asarray(units)) > 0
    assert learner.policy(state, explore=True).candidates == 1


def test_the_chain_is_part_of_the_greedy_policy() -> None:
    policy = DIFFUSION.policy(begin(DIFFUSION).learner, explore=False)
    observation = jnp.zeros((2, 1))
    one, again, other = (
        policy.act(jax.random.key(seed), (), observation)[1].action for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other, atol=1e-7)


def test_spaces_it_cannot_learn_are_named() -> None:
    learner = SAC()
    for fits in (Box(0.0, 1.0, ()), Box(-1.0, 1.0, (2, 3))):
        assert not learner.misfit(OBSERVED, fits)
    for space in (Discrete(3), Bits((2,)), Box(-np.inf, np.inf, (2,))):
        assert "bounds are all finite" in learner.misfit(OBSERVED, space)
    assert "axes of its agents (3,)" in learner.misfit(Box(-1.0, 1.0, (3, 4)), Box(0.0, 1.0, (2,)))


def test_a_temperature_of_zero_has_one_message() -> None:
    learner = dataclasses.replace(SMALL, initial_temperature=0.0)
    with pytest.raises(InputError, match="initial_temperature must be above 0; got 0"):
        learner.check_sizes(OBSERVED, Box(0.0, 1.0, (2,)))
