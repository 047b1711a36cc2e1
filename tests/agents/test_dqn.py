"""DQN: the replay, the exploration, the target network, and what each switch does."""

from __future__ import annotations

import dataclasses
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.dqn import DQN, action_values
from edgewright.core.errors import InputError
from edgewright.core.spaces import Box, Discrete
from edgewright.rules import normalise

SMALL = DQN(
    hidden_sizes=(8,),
    num_envs=4,
    rollout_steps=8,
    buffer_size=80,
    batch_size=16,
    learning_starts=0.0,
    learning_rate=1e-2,
    target_update_interval=1e9,
    total_steps=1000.0,
    double=False,
    dueling=False,
    normalize_observations=False,
    normalize_rewards=False,
)


def weights(network):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(network)])


def rounds(learner, count, begin, play, update):
    """Yield the batch and the state of each of some rounds of playing and learning."""
    state = begin(learner)
    for seed in range(count):
        batch = play(learner, state, seed)
        state, log = update(learner, seed, state, batch)
        yield batch, state, log


@pytest.fixture(scope="module")
def history(begin, play, update):
    return list(rounds(SMALL, 5, begin, play, update))


@pytest.mark.parametrize(
    "switch", ["double", "dueling", "normalize_observations", "normalize_rewards"]
)
def test_every_switch_changes_the_result(switch, history, begin, play, update):
    learner = dataclasses.replace(SMALL, **{switch: True})
    *_, (_, state, _) = rounds(learner, 2, begin, play, update)
    sizes = [len(weights(s.network)) for s in (state, history[1][1])]
    assert sizes[0] - sizes[1] == (9 if switch == "dueling" else 0)
    if switch != "dueling":
        assert not np.allclose(weights(state.network), weights(history[1][1].network), rtol=1e-3)


def test_the_replay_in_the_state_is_a_deque_of_transitions(history):
    slow: deque[tuple[float, ...]] = deque(maxlen=80)
    for batch, state, _ in history:  # 32 samples a round into 80 rows: it wraps twice
        slow.extend(
            (*o, a, r, e, *n)
            for o, a, r, e, n in zip(
                *(
                    np.asarray(leaf).reshape(32, *leaf.shape[2:])
                    for leaf in (
                        batch.observation,
                        batch.action,
                        batch.reward,
                        batch.terminated,
                        batch.next_observation,
                    )
                ),
                strict=True,
            )
        )
        rows, filled = state.replay.rows.transition, int(state.replay.filled)
        held = np.column_stack(
            [rows.observation, rows.action, rows.reward, rows.terminated, rows.next_observation]
        )[:filled]
        assert filled == len(slow)
        assert sorted(map(tuple, held.tolist())) == sorted(map(tuple, np.array(slow).tolist()))
        assert rows.observation.shape == (80, 2)


def test_exploration_falls_in_a_line_over_a_fifth_of_the_steps(history):
    state = history[0][1]
    for steps, epsilon in [(0, 1.0), (100, 0.525), (200, 0.05), (900, 0.05)]:
        now = dataclasses.replace(state, steps=jnp.float32(steps))
        assert float(SMALL.policy(now, explore=True).epsilon) == pytest.approx(epsilon)
    found = [float(log["epsilon"]) for *_, log in history]
    np.testing.assert_allclose(found, 1 - 0.95 * np.arange(5) * 32 / 200, rtol=1e-5)


def test_the_policy_explores_with_epsilon_and_is_greedy_without(history):
    state = dataclasses.replace(history[-1][1], steps=jnp.float32(100))
    seen = jnp.broadcast_to(jnp.array([1.0, 0.0]), (4000, 3, 2))  # three agents
    keys = jax.random.split(jax.random.key(0), 4000)
    best = int(jnp.argmax(state.network(seen[0, 0])))

    def act(explore):
        policy = SMALL.policy(state, explore=explore)
        return np.asarray(jax.vmap(lambda k, o: policy.act(k, (), o)[1].action)(keys, seen))

    assert np.all(act(False) == best)
    explored = act(True)
    assert explored.shape == (4000, 3)
    # Another action is taken with probability epsilon / 2; the margin is 5 standard errors.
    assert np.mean(explored != best) == pytest.approx(0.525 / 2, abs=0.02)
    together = np.mean((explored[:, 0] != best) & (explored[:, 1] != best))
    assert together == pytest.approx((0.525 / 2) ** 2, abs=0.02)  # agents explore independently


def test_the_target_is_copied_every_so_many_steps(begin, play, update):
    learner = dataclasses.replace(SMALL, target_update_interval=64.0)
    before = weights(begin(learner).network)
    copies = []
    for _, state, _ in rounds(learner, 4, begin, play, update):
        network, target = weights(state.network), weights(state.target)
        assert not np.array_equal(network, before)
        copies.append(np.array_equal(target, network))
        assert copies[-1] or np.array_equal(target, before)
        before = target
    assert copies == [False, True, False, True]  # 32 steps a round


def test_nothing_is_learned_before_it_may_and_everything_is_remembered(begin, play, update):
    learner = dataclasses.replace(SMALL, learning_starts=40.0)
    start = weights(begin(learner).network)
    states = [state for _, state, _ in rounds(learner, 2, begin, play, update)]
    np.testing.assert_array_equal(weights(states[0].network), start)
    assert int(states[0].replay.filled) == 32
    assert not np.array_equal(weights(states[1].network), start)


def test_one_gradient_step_for_every_four_environment_steps(history):
    for index, (_, state, _) in enumerate(history):
        assert int(state.optimiser[1].count) == (index + 1) * 32 // 4


def test_another_number_does_not_recompile_and_keys_matter(history, begin, play, update):
    state = begin(SMALL)
    batch = play(SMALL, state, 0)
    first, _ = update(SMALL, 0, state, batch)
    np.testing.assert_array_equal(weights(first.network), weights(history[0][1].network))
    count = len(update.traces)
    for change in ({"gamma": 0.5}, {"learning_rate": 0.1}, {"max_grad_norm": 1e-3}):
        other, _ = update(dataclasses.replace(SMALL, **change), 0, state, batch)
        assert not np.array_equal(weights(other.network), weights(first.network))
    other, _ = update(SMALL, 1, state, batch)
    assert not np.array_equal(weights(other.network), weights(first.network))
    assert len(update.traces) == count


def test_observations_are_stored_raw_and_normalised_when_used(begin, play, update):
    learner = dataclasses.replace(SMALL, normalize_observations=True)
    (batch, state, _), *_ = rounds(learner, 1, begin, play, update)
    np.testing.assert_array_equal(
        state.replay.rows.transition.observation[:32], np.asarray(batch.observation).reshape(32, 2)
    )
    policy = learner.policy(state, explore=False)
    seen = jnp.array([1.0, 2.0])
    values = state.network(normalise.standardise(state.inputs.moments, seen))
    assert int(policy.act(jax.random.key(0), (), seen)[1].action) == int(jnp.argmax(values))


def test_dueling_values_come_from_one_more_output(begin):
    learner = dataclasses.replace(SMALL, dueling=True)
    network = begin(learner).network
    seen = jnp.array([0.5, -1.0])
    output = network(seen)
    assert output.shape == (3,)
    found = action_values(network, seen, dueling=True)
    np.testing.assert_allclose(found, output[0] + output[1:] - output[1:].mean(), rtol=1e-5)


@pytest.mark.parametrize("change", [{"n_step": 3}, {"prioritised": True}, {"target_tau": 0.1}])
def test_every_extension_changes_the_result(change, history, begin, play, update):
    learner = dataclasses.replace(SMALL, **change)
    *_, (_, state, _) = rounds(learner, 2, begin, play, update)
    assert not np.allclose(weights(state.network), weights(history[1][1].network), rtol=1e-3)


def test_a_target_that_follows_moves_by_its_share(begin, play, update):
    learner = dataclasses.replace(SMALL, target_tau=0.1)
    before = weights(begin(learner).target)
    for _, state, _ in rounds(learner, 2, begin, play, update):
        share = 1 - 0.9**8  # 32 steps, a gradient step for each four
        expected = before + share * (weights(state.network) - before)
        np.testing.assert_allclose(weights(state.target), expected, rtol=1e-4, atol=1e-6)
        before = weights(state.target)


def test_priorities_are_the_errors_of_what_was_drawn(begin, play, update):
    learner = dataclasses.replace(SMALL, prioritised=True, priority_exponent=1.0)
    (_, first, _), (_, second, _) = rounds(learner, 2, begin, play, update)
    fresh, known = np.asarray(first.replay.rows.priority), np.asarray(second.replay.rows.priority)
    assert np.all(fresh[32:] == 0.0)  # nothing is stored there
    assert np.any(fresh[:32] != 1.0)  # all began with 1
    assert np.all(known[:64] > 0.0)
    new = known[32:64]
    assert np.sum(new == fresh.max()) > 0  # those not drawn yet have the largest of before


def test_a_reward_longer_than_a_rollout_is_refused():
    with pytest.raises(InputError, match=r"n_step: must be from 1 to rollout_steps, 8; got 9"):
        dataclasses.replace(SMALL, n_step=9).check_sizes(Box(-1.0, 1.0, (2,)), Discrete(3))
