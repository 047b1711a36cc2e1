"""Unroll, evaluate and online, in a world that only counts."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.records import Decision, Outcome, record, static
from edgewright.core.spaces import Box, Discrete
from edgewright.loops.evaluate import (
    PrivilegedObservation,
    episode_inputs,
    evaluate,
    full_information,
    play,
)
from edgewright.loops.online import Training, advance, init_training
from edgewright.loops.unroll import init_rollout, next_rows, unroll

KEY = jax.random.key(0)


@record
class CountingInputs:
    load: Any
    tag: Any


@record
class CountingMetrics:
    WEIGHT: ClassVar[str] = "served"
    reward: Any
    served: Any
    delay_s: Any
    place: Any


@record
class CountingState:
    count: Any
    total: Any


@record
class CountingParams:
    limit: Any
    horizon: Any


@dataclasses.dataclass(frozen=True)
class CountingWorld:
    """``count`` steps; ``total`` of loads. Too much total terminates, the clock truncates."""

    def inputs(self, params: Any) -> Any:
        return CountingStream(high=params.limit)

    def reset(self, params: Any, x: Any) -> Any:
        return CountingState(count=jnp.int32(0), total=jnp.float32(0.0))

    def observe(self, params: Any, state: Any, x: Any) -> Any:
        return jnp.stack([state.count.astype(jnp.float32), state.total, x.load])

    def step(self, params: Any, state: Any, action: Any, x: Any) -> Outcome:
        after = CountingState(count=state.count + 1, total=state.total + x.load)
        terminated = after.total > params.limit
        served = (action > 0).astype(jnp.float32)
        return Outcome(
            state=after,
            reward=x.load - 100.0 * terminated,
            terminated=terminated,
            truncated=(after.count >= params.horizon) & ~terminated,
            metrics=CountingMetrics(
                reward=x.load, served=served, delay_s=10.0 * x.load, place=action
            ),
        )

    def observation_space(self, params: Any) -> Box:
        return Box(-jnp.inf, jnp.inf, (3,), ("count", "total", "load"))

    def action_space(self, params: Any) -> Discrete:
        return Discrete(3)


@record
class CountingStream:
    """Uniform loads, and a tag of its own for every stream."""

    high: Any

    def init_carry(self, key: Any) -> Any:
        return key

    def next_rows(self, carry: Any, length: int) -> Any:
        TRACES.append(length)
        carry, now, other = jax.random.split(carry, 3)
        load = jax.random.uniform(now, (length,), maxval=self.high)
        return carry, CountingInputs(load=load, tag=jax.random.uniform(other, (length,)))

    def resume(self, key: Any, x: Any) -> Any:
        return key


TRACES: list[int] = []
"""Grows whenever a stream is traced: what is compiled once is traced once."""


@record
class Remembering:
    """A policy with a memory: how often it was asked since it was started. Acts on it."""

    def init_carry(self, key: Any) -> Any:
        return jnp.int32(0)

    def act(self, key: Any, carry: Any, observation: Any) -> Any:
        return carry + 1, Decision(action=jnp.mod(carry, 3), aux=carry)


@record
class Looking:
    """A policy that logs what it was shown."""

    def init_carry(self, key: Any) -> Any:
        return jax.random.uniform(key)

    def act(self, key: Any, carry: Any, observation: Any) -> Any:
        return carry, Decision(action=jnp.int32(1), aux=(carry, observation))


WORLD = CountingWorld()


def params(limit: float = 10.0, horizon: int = 4) -> CountingParams:
    return CountingParams(limit=jnp.float32(limit), horizon=jnp.int32(horizon))


def rows(loads: Any) -> CountingInputs:
    """Return inputs ``[T, N]`` from a nested list; the tag counts the rows."""
    load = jnp.asarray(loads, jnp.float32)
    steps = jnp.arange(load.shape[0], dtype=jnp.float32)
    return CountingInputs(load=load, tag=jnp.broadcast_to(steps[:, None], load.shape))


def run(policy: Any, loads: Any, p: Any, observe_fn: Any = None, key: Any = KEY) -> Any:
    inputs = rows(loads)
    first, rest = (jax.tree.map(lambda a, s=s: a[s], inputs) for s in (0, slice(1, None)))
    envs = init_rollout(key, WORLD, p, policy, first)
    return unroll(key, WORLD, p, policy, envs, rest, observe_fn=observe_fn)


# ------------------------------------------------------------------ unroll

# two games, six steps (and one more row to look ahead); limit 10, horizon 4
LOADS = [[1, 6], [1, 6], [1, 1], [1, 1], [1, 1], [1, 1], [1, 1]]


def test_endings_and_resets_by_hand() -> None:
    after, seen = run(Remembering(), LOADS, params())
    # game 0: cut by the clock at step 3 (count 4). Game 1: total 6, 12 > 10: ends at step 1, then
    # four steps of load 1 until the clock cuts at step 5
    np.testing.assert_array_equal(seen.truncated[:, 0], [0, 0, 0, 1, 0, 0])
    np.testing.assert_array_equal(seen.terminated[:, 0], [0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(seen.terminated[:, 1], [0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(seen.truncated[:, 1], [0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(seen.done, seen.terminated | seen.truncated)
    # observation: (count, total, load)
    np.testing.assert_array_equal(seen.observation[:, 0, 0], [0, 1, 2, 3, 0, 1])
    np.testing.assert_array_equal(seen.observation[:, 1, 0], [0, 1, 0, 1, 2, 3])
    np.testing.assert_array_equal(seen.observation[:, 1, 1], [0, 6, 0, 1, 2, 3])
    np.testing.assert_array_equal(seen.reward[:, 1], [6, -94, 1, 1, 1, 1])
    np.testing.assert_array_equal(seen.metrics.reward[:, 1], [6, 6, 1, 1, 1, 1])
    # game 0 stands two steps into its second episode, game 1 has just been reset
    np.testing.assert_array_equal(after.state.count, [2, 0])
    np.testing.assert_array_equal(after.state.total, [2, 0])
    np.testing.assert_array_equal(after.x.tag, [6, 6])


def test_the_final_observation_is_kept() -> None:
    _, seen = run(Remembering(), LOADS, params())
    # after the last step of an episode: what would have been seen, not what the reset shows
    np.testing.assert_array_equal(seen.next_observation[3, 0], [4, 4, 1])
    np.testing.assert_array_equal(seen.next_observation[1, 1], [2, 12, 1])
    np.testing.assert_array_equal(seen.next_observation[5, 1], [4, 4, 1])
    # elsewhere it is the next observation
    going_on = ~np.asarray(seen.done[:-1])
    np.testing.assert_array_equal(
        np.asarray(seen.next_observation[:-1])[going_on],
        np.asarray(seen.observation[1:])[going_on],
    )
    # and at an ending it is not
    ended = np.asarray(seen.done[:-1])
    different = (seen.next_observation[:-1] != seen.observation[1:]).any(axis=-1)
    assert np.all(np.asarray(different)[ended])


def test_memory_restarts_with_the_episode() -> None:
    _, seen = run(Remembering(), LOADS, params())
    np.testing.assert_array_equal(seen.aux[:, 0], [0, 1, 2, 3, 0, 1])
    np.testing.assert_array_equal(seen.aux[:, 1], [0, 1, 0, 1, 2, 3])
    np.testing.assert_array_equal(seen.action, np.asarray(seen.aux) % 3)


def test_memory_restarts_with_a_fresh_key() -> None:
    _, seen = run(Looking(), LOADS, params())
    memory = np.asarray(seen.aux[0])
    assert len(set(memory[:4, 0])) == 1  # kept within an episode
    assert len(set(memory[4:, 0])) == 1
    assert len({memory[0, 0], memory[4, 0], memory[0, 1], memory[2, 1]}) == 4


def test_two_halves_equal_the_whole() -> None:
    rng = np.random.default_rng(0)
    loads, policy, p = rng.uniform(0, 4, (21, 5)), Remembering(), params()
    end, whole = run(policy, loads, p)
    inputs = rows(loads)
    envs = init_rollout(KEY, WORLD, p, policy, jax.tree.map(lambda a: a[0], inputs))
    parts = []
    for s in (slice(1, 8), slice(8, 21)):
        rest = jax.tree.map(lambda a, s=s: a[s], inputs)
        envs, part = unroll(KEY, WORLD, p, policy, envs, rest)
        parts.append(part)
    joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
    assert whole.terminated.any()
    assert whole.truncated.any()
    for made, expected in zip(jax.tree.leaves(joined), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(made, expected)
    for made, expected in zip(jax.tree.leaves(envs), jax.tree.leaves(end), strict=True):
        np.testing.assert_array_equal(made, expected)


def test_only_who_was_told_sees_the_state() -> None:
    p = params()
    _, plain = run(Looking(), LOADS, p)
    shown = plain.aux[1]
    assert shown.shape == (6, 2, 3)
    np.testing.assert_array_equal(shown, plain.observation)
    _, told = run(Looking(), LOADS, p, observe_fn=full_information)
    insight = told.aux[1]
    assert isinstance(insight, PrivilegedObservation)
    np.testing.assert_array_equal(insight.state.count, plain.observation[..., 0])
    np.testing.assert_array_equal(insight.state.total, plain.observation[..., 1])
    np.testing.assert_array_equal(insight.x.load, np.asarray(LOADS)[:6])
    assert np.all(insight.params.limit == 10.0)
    # what happens next is what the policy would have been told next
    np.testing.assert_array_equal(told.next_observation.state.count[3], [4, 2])


def test_streams_are_taken_time_major() -> None:
    stream = CountingStream(high=jnp.float32(1.0))
    carry = jax.vmap(stream.init_carry)(jax.random.split(KEY, 3))
    carry, made = next_rows(stream, carry, 5)
    assert made.load.shape == (5, 3)
    assert len(np.unique(made.load)) == 15
    _, following = next_rows(stream, carry, 5)
    assert not np.any(np.isin(following.load, made.load))


# ------------------------------------------------------------------ evaluate


def test_missed_slots_and_served_means_by_hand() -> None:
    loads = [[1, 6], [2, 6], [3, 9], [4, 9], [9, 9]]
    made = evaluate(
        KEY,
        WORLD,
        params(limit=11.0, horizon=9),
        Remembering(),
        rows(loads),
        post_termination_reward=-3.0,
    )
    # game 0: 1 + 2 + 3 + 4 = 10 <= 11, never ends: mean 2.5
    # game 1: 6, 12 > 11: ends after two slots; two missed: (6 + 6 - 3 - 3) / 4 = 1.5
    np.testing.assert_allclose(made["reward"], [2.5, 1.5])
    np.testing.assert_array_equal(made["episode_length"], [4, 2])
    np.testing.assert_array_equal(made["terminated"], [0, 1])
    # actions 0, 1, 2, 0: served 0, 1, 1, 0; delay 10 x load of the served: (20 + 30) / 2 = 25;
    # game 1: 0, 1: 60
    np.testing.assert_allclose(made["delay_s"], [25.0, 60.0])
    np.testing.assert_allclose(made["served"], [0.5, 0.5])
    assert "place" not in made  # an index has no mean


def test_the_missed_reward_is_what_it_was_told() -> None:
    loads = [[20.0], [1.0], [1.0], [1.0], [1.0]]
    p = params(limit=11.0, horizon=9)
    for missed in (0.0, -1.0, -7.0):
        made = evaluate(KEY, WORLD, p, Remembering(), rows(loads), post_termination_reward=missed)
        assert made["reward"][0] == pytest.approx((20.0 + 3 * missed) / 4)


def test_truncation_is_no_bad_ending() -> None:
    loads = [[1.0]] * 7
    played = play(KEY, WORLD, params(horizon=4), Remembering(), rows(loads))
    np.testing.assert_array_equal(played.alive[:, 0], [1, 1, 1, 1, 0, 0])
    assert not played.terminated.any()
    made = evaluate(
        KEY, WORLD, params(horizon=4), Remembering(), rows(loads), post_termination_reward=-1.0
    )
    assert made["terminated"] == 0.0
    assert made["episode_length"] == 4.0


def test_a_second_episode_does_not_count() -> None:
    """After an early end the game is reset and played on; none of it is scored."""
    loads = [[20.0], [20.0], [20.0], [1.0], [1.0]]
    p = params(limit=11.0, horizon=9)
    played = play(KEY, WORLD, p, Remembering(), rows(loads))
    np.testing.assert_array_equal(played.terminated[:, 0], [1, 0, 0, 0])
    assert evaluate(KEY, WORLD, p, Remembering(), rows(loads))["reward"] == 5.0  # 20 / 4


def test_every_policy_meets_the_same_inputs() -> None:
    p = params(limit=1e6, horizon=100)
    inputs = episode_inputs(KEY, WORLD.inputs(p), 4, 10, {})
    one = play(KEY, WORLD, p, Remembering(), inputs)
    other = play(jax.random.key(9), WORLD, p, Looking(), inputs)
    np.testing.assert_array_equal(one.metrics.reward, other.metrics.reward)
    np.testing.assert_array_equal(one.metrics.reward, inputs.load[:-1])
    assert not np.array_equal(one.metrics.place, other.metrics.place)


def test_same_key_same_episodes() -> None:
    stream = CountingStream(high=jnp.float32(1.0))
    first, again, other = (episode_inputs(jax.random.key(k), stream, 4, 10, {}) for k in (1, 1, 2))
    assert first.load.shape == (11, 4)
    np.testing.assert_array_equal(first.load, again.load)
    assert not np.any(np.isin(first.load, other.load))
    assert len(np.unique(first.load)) == 44  # no two episodes are alike


def test_other_numbers_draw_episodes_without_compiling() -> None:
    episode_inputs(KEY, CountingStream(high=jnp.float32(1.0)), 3, 7, {})
    traced = len(TRACES)
    wide = episode_inputs(jax.random.key(4), CountingStream(high=jnp.float32(50.0)), 3, 7, {})
    assert len(TRACES) == traced
    assert wide.load.max() > 1.0


def test_the_pinned_grid_goes_round_the_episodes() -> None:
    stream = CountingStream(high=jnp.float32(1.0))
    free = episode_inputs(KEY, stream, 7, 5, {})
    fixed_inputs = episode_inputs(KEY, stream, 7, 5, {"load": [100.0, 45.0, 25.0]})
    assert fixed_inputs.load.shape == free.load.shape
    np.testing.assert_array_equal(fixed_inputs.load[0], [100, 45, 25, 100, 45, 25, 100])
    assert np.all(fixed_inputs.load == fixed_inputs.load[0])
    np.testing.assert_array_equal(fixed_inputs.tag, free.tag)  # all else stays as it was


# ------------------------------------------------------------------ online


@record
class Blind:
    """The policy of a learner: an action drawn from its weights."""

    weights: Any
    explore: bool = static()

    def init_carry(self, key: Any) -> Any:
        return ()

    def act(self, key: Any, carry: Any, observation: Any) -> Any:
        drawn = jax.random.categorical(key, self.weights)
        action = drawn if self.explore else jnp.argmax(self.weights)
        return carry, Decision(action=action.astype(jnp.int32), aux=())


@record
class TinyLearner:
    """Learns which action comes with reward, with a little noise of its own."""

    rate: Any = 0.1
    num_envs: int = static(default=4)
    rollout_steps: int = static(default=6)

    def init(self, key: Any, observation: Any, actions: Discrete) -> Any:
        assert observation.shape == (3,)
        return 0.1 * jax.random.normal(key, (actions.n,))

    def policy(self, state: Any, explore: bool) -> Blind:
        return Blind(weights=state, explore=explore)

    def update(self, key: Any, state: Any, batch: Any) -> Any:
        assert batch.reward.shape == (self.rollout_steps, self.num_envs)
        hits = batch.action[..., None] == jnp.arange(state.shape[0])
        step = jnp.mean(hits * batch.reward[..., None], axis=(0, 1))
        noise = 0.01 * jax.random.normal(key, state.shape)
        return state + self.rate * (step + noise), {"size": jnp.sum(jnp.abs(state))}


CHUNK = 5


def train(
    seed: int, *portions: int, p: Any = None, learner: Any = None
) -> tuple[Training, list[dict[str, Any]]]:
    p, learner = p or params(), learner or TinyLearner()
    stream = WORLD.inputs(p)
    training, logs = init_training(jax.random.key(seed), WORLD, p, stream, learner), []
    for portion in portions:
        training, log = advance(WORLD, p, stream, learner, training, portion, CHUNK)
        logs.append(log)
    return training, logs


def plain(training: Training) -> list[np.ndarray]:
    """Return every leaf, keys as their words, to compare bit by bit."""
    leaves = jax.tree.leaves(training)
    return [
        np.asarray(jax.random.key_data(v) if jnp.issubdtype(v.dtype, jax.dtypes.prng_key) else v)
        for v in leaves
    ]


def test_a_training_resumes_bit_by_bit() -> None:
    whole, (log,) = train(0, 5)
    parts, (first, second) = train(0, 3, 2)
    for made, expected in zip(plain(parts), plain(whole), strict=True):
        np.testing.assert_array_equal(made, expected)
    for name, values in log.items():
        assert values.shape == (CHUNK,)
        np.testing.assert_array_equal(values[:3], first[name][:3])
        np.testing.assert_array_equal(values[3:], second[name][:2])
        np.testing.assert_array_equal(first[name][3:], 0)


def test_no_iterations_change_nothing() -> None:
    before, _ = train(0)
    after, (log,) = train(0, 0)
    for made, expected in zip(plain(after), plain(before), strict=True):
        np.testing.assert_array_equal(made, expected)
    assert all(float(jnp.sum(jnp.abs(v))) == 0 for v in log.values())


def test_the_seed_decides() -> None:
    one, again, other = (train(seed, 3)[0].learner for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.all(np.asarray(one) != np.asarray(other))


def test_learning_moves_the_weights_and_games_go_on() -> None:
    start, _ = train(0)
    end, (log,) = train(0, 5)
    assert np.all(np.asarray(start.learner) != np.asarray(end.learner))
    assert not np.array_equal(start.envs.state.total, end.envs.state.total)
    assert np.all(np.asarray(end.envs.state.count) < 4)
    # 5 iterations x 6 steps x 4 games in episodes of at most 4 steps: at least 5 x 6 ends in all
    assert float(log["episodes_ended"].sum()) >= 24
    assert np.all((log["terminated_share"] >= 0) & (log["terminated_share"] <= 1))
    # loads are uniform below the limit of 10; the terminal -100 is not in the log
    assert np.all((log["reward"] > 0) & (log["reward"] < 10))


def test_the_log_tells_the_reward_and_the_endings() -> None:
    """Against an unroll by hand with the same keys."""
    p, learner = params(), TinyLearner()
    stream = WORLD.inputs(p)
    training = init_training(KEY, WORLD, p, stream, learner)
    _, log = advance(WORLD, p, stream, learner, training, 1, CHUNK)
    play_key, learn_key, _ = jax.random.split(training.key, 3)
    _, inputs = next_rows(stream, training.stream, learner.rollout_steps)
    policy = learner.policy(training.learner, explore=True)
    _, batch = unroll(play_key, WORLD, p, policy, training.envs, inputs)
    state, _ = learner.update(learn_key, training.learner, batch)
    after, _ = advance(WORLD, p, stream, learner, training, 1, CHUNK)
    np.testing.assert_allclose(after.learner, state, rtol=1e-6)
    assert log["reward"][0] == pytest.approx(float(jnp.mean(batch.metrics.reward)), rel=1e-6)
    assert log["episodes_ended"][0] == batch.done.sum()
    assert log["terminated_share"][0] == pytest.approx(
        float(batch.terminated.sum() / batch.done.sum())
    )


def test_nothing_compiles_again_for_other_numbers() -> None:
    train(0, 3)
    compiled = init_training._cache_size(), advance._cache_size()
    train(7, 3, 2, 1)  # another seed, another number of iterations
    train(0, 3, p=params(limit=25.0, horizon=9))
    train(0, 3, learner=TinyLearner(rate=0.7))
    assert (init_training._cache_size(), advance._cache_size()) == compiled
    train(0, 3, learner=TinyLearner(rollout_steps=7))  # another size does
    assert advance._cache_size() == compiled[1] + 1
