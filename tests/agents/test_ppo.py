"""PPO: each part does something, and at its corners it is a simpler learner that we know."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.ppo import PPO, Samples
from edgewright.core.errors import InputError
from edgewright.core.spaces import Box, Discrete
from edgewright.loops.online import init_training
from edgewright.loops.online import play as loop
from edgewright.loops.unroll import next_rows, unroll
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.systems.probes import ProbeWorld, probe
from edgewright.systems.trainer import OnlineTrainer

SMALL = PPO(
    hidden_sizes=(8,),
    num_envs=4,
    rollout_steps=8,
    epochs=1,
    batch_size=32,
    total_steps=640.0,
    warmup_fraction=0.5,
)
PLAIN = dataclasses.replace(
    SMALL,
    normalize_observations=False,
    normalize_rewards=False,
    warmup=False,
    decay=False,
    normalize_advantages=False,
)


def weights(state):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state.networks)])


def moved(learner, begin, play, update, rounds=2):
    """Return the weights after some rounds of playing and learning."""
    state = begin(learner)
    for seed in range(rounds):
        state, _ = update(learner, seed, state, play(learner, state, seed))
    return weights(state)


@pytest.fixture(scope="module")
def plain_weights(begin, play, update):
    return moved(PLAIN, begin, play, update)


@pytest.mark.parametrize(
    "switch",
    ["normalize_observations", "normalize_rewards", "warmup", "decay", "normalize_advantages"],
)
def test_every_switch_changes_the_result(switch, plain_weights, begin, play, update):
    share = 0.0 if switch == "decay" else 0.5  # decay begins where the warm-up ends
    learner = dataclasses.replace(PLAIN, warmup_fraction=share, **{switch: True})
    assert not np.allclose(moved(learner, begin, play, update), plain_weights, rtol=1e-3)


def test_same_key_same_weights_and_other_key_other_weights(plain_weights, begin, play, update):
    np.testing.assert_array_equal(moved(PLAIN, begin, play, update), plain_weights)
    start = begin(PLAIN)
    other, _ = update(PLAIN, 0, start, play(PLAIN, start, seed=5))
    same, _ = update(PLAIN, 0, start, play(PLAIN, start, seed=0))
    assert not np.allclose(weights(other), weights(same))
    assert not np.allclose(weights(begin(PLAIN, seed=1)), weights(start))


def test_the_ratio_is_one_until_the_actor_moves(begin, play, update):
    strict = dataclasses.replace(SMALL, clip_eps=1e-5, actor_learning_rate=0.0)
    state = begin(strict)
    for seed in range(2):  # also after the running statistics moved on
        batch = play(strict, state, seed)
        state, log = update(strict, seed, state, batch)
        assert float(log["clipped_share"]) == 0.0
    moving = dataclasses.replace(strict, actor_learning_rate=1e-2)
    _, log = update(moving, 0, state, play(moving, state, 3))
    assert float(log["clipped_share"]) > 0.5


def test_another_number_does_not_recompile(begin, play, update):
    state = begin(PLAIN)
    batch = play(PLAIN, state)
    first, _ = update(PLAIN, 0, state, batch)
    count = len(update.traces)
    for change in (
        {"gamma": 0.5},
        {"actor_learning_rate": 0.1},
        {"clip_eps": 0.1, "entropy_coef": 0.0},
    ):
        other, _ = update(dataclasses.replace(PLAIN, **change), 0, state, batch)
        assert not np.array_equal(weights(other), weights(first))
    assert len(update.traces) == count


def test_the_a2c_setting_follows_the_plain_policy_gradient(begin, play, update):
    gamma, entropy = 0.9, 0.03
    learner = dataclasses.replace(
        PLAIN, gamma=gamma, gae_lambda=1.0, clip_eps=1e9, entropy_coef=entropy, max_grad_norm=1e9
    )
    before = begin(learner)
    batch = play(learner, before)
    after, _ = update(learner, 0, before, batch)
    actor, critic = before.networks

    # Monte Carlo returns in a plain loop; a cut or the batch's edge bootstraps from the critic.
    tail = np.asarray(critic(batch.next_observation)[..., 0], np.float64)
    rewards, returns = np.asarray(batch.reward, np.float64), np.zeros(batch.reward.shape)
    for t in reversed(range(rewards.shape[0])):
        last = t == rewards.shape[0] - 1
        future = tail[t] if last else np.where(batch.truncated[t], tail[t], returns[t + 1])
        returns[t] = rewards[t] + gamma * np.where(batch.terminated[t], 0.0, future)
    assert batch.terminated.any()
    advantage = jnp.asarray(returns) - critic(batch.observation)[..., 0]

    def policy_loss(actor):
        log_p = jax.nn.log_softmax(actor(batch.observation))
        chosen = jnp.take_along_axis(log_p, batch.action[..., None], axis=-1)[..., 0]
        disorder = -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)
        return -jnp.mean(chosen * advantage) - entropy * jnp.mean(disorder)

    def value_loss(critic):
        return jnp.mean((critic(batch.observation)[..., 0] - jnp.asarray(returns)) ** 2)

    gradients = (jax.grad(policy_loss)(actor), jax.grad(value_loss)(critic))
    gradient = jax.flatten_util.ravel_pytree(gradients)[0]
    momentum = after.optimiser.mu  # 0.1 g after Adam's first step
    assert float(jnp.abs(gradient).max()) > 1e-3
    np.testing.assert_allclose(momentum / 0.1, gradient, rtol=1e-3, atol=1e-6)


def test_the_gradient_of_each_network_is_clipped_by_itself(begin, play, update):
    state = begin(PLAIN)
    batch = play(PLAIN, state)
    after, _ = update(dataclasses.replace(PLAIN, max_grad_norm=1e-3), 0, state, batch)
    size = jax.flatten_util.ravel_pytree(state.networks[0])[0].size
    for part in (after.optimiser.mu[:size], after.optimiser.mu[size:]):
        assert float(jnp.linalg.norm(part)) <= 1e-4 * 1.0001


def test_statistics_are_those_of_everything_seen(begin, play, update):
    learner = dataclasses.replace(PLAIN, normalize_observations=True, normalize_rewards=False)
    state, seen = begin(learner), []
    for seed in range(2):
        batch = play(learner, state, seed)
        seen.append(np.asarray(batch.observation).reshape(-1, 2))
        state, _ = update(learner, seed, state, batch)
    seen = np.concatenate(seen)
    assert float(state.steps) == float(state.inputs.moments.count) == len(seen) == 64
    np.testing.assert_allclose(state.inputs.moments.mean, seen.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(state.inputs.moments.variance, seen.var(axis=0), atol=1e-5)


def test_learning_rates_warm_up_and_decay():
    steps = [0.0, 160.0, 320.0, 480.0, 640.0]  # a batch is 32 steps, the warm-up 320
    rates = [float(SMALL._rates(jnp.float32(step))[0]) / 5e-4 for step in steps]
    np.testing.assert_allclose(rates, [0.1, 0.6, 1.0, 0.5, 0.0], atol=1e-6)
    assert float(SMALL._rates(jnp.float32(320))[1]) == pytest.approx(1.5e-3)


def test_with_all_actions_the_advantage_is_that_of_the_world() -> None:
    """In a world of one slot a critic of any weights leaves the exact advantage."""
    numbers = probe("match")
    learner = PPO(
        all_actions=True, normalize_rewards=False, hidden_sizes=(8,), num_envs=4, rollout_steps=8
    )
    stream = ProbeWorld().inputs(numbers)
    training = init_training(jax.random.key(0), ProbeWorld(), numbers, stream, learner)
    carry, rows = next_rows(stream, training.stream, 8)
    policy = learner.policy(training.learner, explore=True)
    _, batch = unroll(
        jax.random.key(1), ProbeWorld(), numbers, policy, training.envs, rows, all_actions=True
    )
    samples, _ = learner._samples(training.learner, batch)
    cue = np.asarray(batch.observation)[..., 0].reshape(-1)
    law = np.exp(np.asarray(samples.log_probability))
    values = np.stack([-cue, cue], axis=-1)  # of action 0 and 1
    expected = values - (law * values).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(samples.advantage, expected, atol=1e-5)
    assert learner.misfit(Box(-1.0, 1.0, (2,)), Box(0.0, 1.0, (2,)))


def test_a_longer_look_earns_rewards_and_then_the_value_of_where_it_ends() -> None:
    numbers = dataclasses.replace(probe("match"), slots=jnp.float32(3), slot_seen=jnp.float32(1))
    learner = PPO(
        all_actions=True, look_ahead=1, gamma=0.5, normalize_rewards=False, hidden_sizes=(8,),
        critic_quantiles=3, num_envs=4, rollout_steps=8, batch_size=32,
    )  # fmt: skip
    stream = ProbeWorld().inputs(numbers)
    training = init_training(jax.random.key(0), ProbeWorld(), numbers, stream, learner)
    policy = learner.policy(training.learner, explore=True)
    _, _, batch = loop(ProbeWorld(), numbers, stream, learner, policy, training)
    samples, _ = learner._samples(training.learner, batch)
    later = batch.alternatives.later
    state = training.learner
    value = jnp.mean(state.networks[1](state.inputs(later.next_observation)), axis=-1)
    reward = later.reward[..., 0] + 0.5 * later.reward[..., 1]
    outcomes = reward + jnp.where(later.ended, 0.0, 0.25 * value)
    assert 0 < np.mean(later.ended) < 1
    law = np.exp(np.asarray(samples.log_probability))
    outcomes = outcomes.reshape(law.shape)
    expected = outcomes - (law * outcomes).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(samples.advantage, expected, atol=1e-5)
    after, log = learner.update(jax.random.key(2), state, batch)
    assert np.isfinite(float(log["value_loss"]))
    assert after.networks[1].weights[-1].shape == (8, 3)


def test_outcomes_of_all_actions_are_standardised_under_the_policy() -> None:
    """An action that nobody takes does not decide the scale of the others."""
    law = jnp.log(jnp.array([[0.5, 0.5, 1e-12], [0.5, 0.5, 1e-12]]))
    advantage = jnp.array([[1.0, -1.0, -1000.0], [3.0, -3.0, -1000.0]])
    none = jnp.zeros(2)
    part = Samples(
        observation=none, drawn=none, log_probability=law, advantage=advantage, target=none
    )
    scaled = PPO(all_actions=True)._standardised(part)
    np.testing.assert_allclose(scaled[:, 0], np.array([1.0, 3.0]) / np.sqrt(5.0), rtol=1e-4)


def test_expected_returns_need_the_outcomes_of_all_actions() -> None:
    spaces = Box(-1.0, 1.0, (2,)), Discrete(2)
    PPO(all_actions=True, expected_returns=True).check_sizes(*spaces)
    with pytest.raises(InputError, match="expected_returns must be false"):
        PPO(expected_returns=True).check_sizes(*spaces)
    with pytest.raises(InputError, match="team must be false"):
        PPO(team=True).check_sizes(*spaces)
    for other in ({}, {"all_actions": True, "team": True}):
        with pytest.raises(InputError, match="look_ahead must be left out"):
            PPO(look_ahead=2, **other).check_sizes(*spaces)
    PPO(all_actions=True, look_ahead=2047).check_sizes(*spaces)
    with pytest.raises(InputError, match="look_ahead must be at most 2047 with 2 actions"):
        PPO(all_actions=True, look_ahead=2048).check_sizes(*spaces)


@pytest.mark.parametrize(
    ("actions", "team"),
    [(Box(-1.0, 1.0, (2,)), False), (Discrete(12, (816,)), False), (Discrete(12, (64,)), True)],
)
def test_actions_that_cannot_all_be_evaluated_are_refused(actions: Any, team: bool) -> None:
    observations = Box(-1.0, 1.0, (*actions.shape, 3))
    with pytest.raises(InputError, match="all_actions must be false here: it evaluates"):
        PPO(all_actions=True, team=team).check_sizes(observations, actions)


def test_a_team_of_one_is_an_agent_alone() -> None:
    """What an action leads to for all agents is what it leads to for the only one."""
    problem = build(load("aigc-heavy"))
    arguments = (problem.world, problem.params, problem.train_stream)
    rows = {}
    for team in (False, True):
        learner = PPO(all_actions=True, team=team, hidden_sizes=(8,), num_envs=4, rollout_steps=8)
        training = init_training(jax.random.key(0), *arguments, learner)
        _, inputs = next_rows(problem.train_stream, training.stream, 8)
        policy = learner.policy(training.learner, explore=True)
        _, batch = unroll(
            jax.random.key(1), *arguments[:2], policy, training.envs, inputs,
            all_actions="team" if team else True,
        )  # fmt: skip
        rows[team] = learner._samples(training.learner, batch)[0]
    np.testing.assert_allclose(rows[True].advantage, rows[False].advantage, rtol=1e-4, atol=1e-5)
    assert np.abs(rows[False].advantage).max() > 1e-2


def test_the_advantage_of_a_team_counts_what_others_lose() -> None:
    problem = build(load("aigc-fleet", {"params.horizon_slots": 4}))
    world, params = problem.world, problem.params
    learner = PPO(all_actions=True, team=True, hidden_sizes=(8,), num_envs=2, rollout_steps=4)
    learner = dataclasses.replace(learner, normalize_rewards=False, gamma=0.0)
    training = init_training(jax.random.key(0), world, params, problem.train_stream, learner)
    _, inputs = next_rows(problem.train_stream, training.stream, 4)
    policy = learner.policy(training.learner, explore=True)
    _, batch = unroll(
        jax.random.key(1), world, params, policy, training.envs, inputs, all_actions="team"
    )
    samples, _ = learner._samples(training.learner, batch)
    law = np.exp(np.asarray(samples.log_probability))
    sums = np.asarray(batch.alternatives.team.reward).sum(axis=-1).reshape(law.shape)
    expected = sums - (law * sums).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(samples.advantage, expected, atol=1e-4)
    own = np.asarray(batch.alternatives.reward).reshape(law.shape)
    assert np.abs(sums - sums[:, :1] - (own - own[:, :1])).max() > 1e-3


def test_a_staggered_training_begins_at_all_parts_of_an_episode() -> None:
    clock = dataclasses.replace(probe("clock"), slots=jnp.float32(8))
    problem: Any = SimpleNamespace(horizon=8, train_stream=ProbeWorld().inputs(clock))
    slots = {}
    for staggered in (False, True):
        learner = dataclasses.replace(SMALL, staggered=staggered)
        plan: Any = SimpleNamespace(
            learner=learner, train_world=ProbeWorld(), params_of=lambda problem: clock
        )
        unused: Any = None
        training = OnlineTrainer(problem, plan, unused).init_training(jax.random.key(0))
        slots[staggered] = np.asarray(training.envs.state.slot).tolist()
        assert float(training.learner.steps) == 0.0
    assert slots == {False: [0, 0, 0, 0], True: [7, 5, 3, 1]}
