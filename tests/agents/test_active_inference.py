"""The planner as a learner: known optima, laws, sizes, and what it does with odd data."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.active_inference import ActiveInference
from edgewright.core.errors import InputError
from edgewright.core.records import Trajectory
from edgewright.core.spaces import Box, Discrete
from edgewright.loops.online import advance, init_training
from edgewright.systems.target_probe import TargetParams, TargetWorld
from edgewright.testing.learner import check_learner

SMALL = ActiveInference(
    hidden_sizes=(32, 32), reward_hidden_sizes=(32, 32), plan_horizon=1, num_candidates=64,
    num_elites=8, learning_starts=64.0, ensemble_size=3,
)  # fmt: skip
TINY = dataclasses.replace(
    SMALL, hidden_sizes=(8,), reward_hidden_sizes=(8,), plan_iterations=2, num_candidates=8,
    num_elites=2, num_envs=2, rollout_steps=4, learning_starts=4.0, plan_horizon=2, batch_size=4,
)  # fmt: skip
WORLD, PARAMS = TargetWorld(), TargetParams(horizon_slots=jnp.float32(8))
SPACES = WORLD.observation_space(PARAMS), WORLD.action_space(PARAMS)


def _trained(learner: Any, updates: int, seed: int = 0) -> Any:
    stream = WORLD.inputs(PARAMS)
    training = init_training(jax.random.key(seed), WORLD, PARAMS, stream, learner)
    return advance(WORLD, PARAMS, stream, learner, training, jnp.int32(updates), 100)


def test_the_best_numbers_are_learned() -> None:
    training, log = _trained(SMALL, 100)
    cue = jnp.linspace(-0.8, 0.8, 5)
    policy = SMALL.policy(training.learner, explore=False)
    key = jax.random.key(1)
    act = jax.vmap(lambda seen: policy.act(key, policy.init_carry(key), seen)[1].action)
    np.testing.assert_allclose(act(cue[:, None]), WORLD.best_action(cue), atol=0.25)
    assert float(jnp.mean(log["reward"][-10:])) > -0.15  # with its noise; uniform actions: -3


def test_a_training_that_stops_and_goes_on_has_the_same_weights() -> None:
    parts = (WORLD, PARAMS, WORLD.inputs(PARAMS), TINY)
    start = init_training(jax.random.key(3), *parts)
    whole = advance(*parts, start, jnp.int32(6), 8)[0]
    parted = advance(*parts, advance(*parts, start, jnp.int32(2), 8)[0], jnp.int32(4), 8)[0]
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(parted), strict=True):
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        np.testing.assert_array_equal(one, other)


def test_new_networks_are_fitted_where_asked() -> None:
    learner = dataclasses.replace(TINY, refit="reset", fit_epochs=2)
    state = _trained(learner, 3)[0].learner
    again = _trained(learner, 3, seed=0)[0].learner
    for one, other in zip(
        jax.tree.leaves(state.networks), jax.tree.leaves(again.networks), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    # 3 updates of 8 samples: the last fit took 2 epochs of 24 samples in batches of 4.
    assert int(state.optimiser[1].count) == 2 * 24 // 4


def test_the_preferred_reward_is_a_quantile_of_those_seen() -> None:
    learner = dataclasses.replace(TINY, preference_quantile=1.0, preference_gain=1.5)
    state = _trained(learner, 3)[0].learner
    rewards = state.replay.rows.reward[: int(state.replay.filled)]
    assert float(state.goal) == pytest.approx(1.5 * float(jnp.max(rewards)), rel=1e-6)


def test_it_keeps_the_laws_of_a_learner() -> None:
    check_learner(TINY, WORLD, PARAMS)


def test_spaces_it_cannot_learn_are_named() -> None:
    assert not TINY.misfit(*SPACES)
    assert "finite bounds" in TINY.misfit(SPACES[0], Box(-np.inf, np.inf, (2,)))
    assert "finite bounds" in TINY.misfit(SPACES[0], Discrete(3))
    assert "one decision maker" in TINY.misfit(Box(-1.0, 1.0, (3, 2)), Box(-1.0, 1.0, (3, 2)))


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({"ensemble_size": 1}, "ensemble_size", "at least 2 with strategy = 'information'; got 1"),
        *(
            ({"ensemble_size": 1, "strategy": name}, "ensemble_size", f"with strategy = '{name}'")
            for name in ("disagreement", "variance", "random")
        ),
        ({"estimator": "knn"}, "ensemble_size", "at least 4 with estimator = 'knn'; got 3"),
        ({"num_elites": 9}, "num_elites", "from 2 to num_candidates = 8; got 9"),
        ({"num_blocks": 3}, "num_blocks", "divide num_candidates = 8; got 3"),
        ({"buffer_size": 7}, "buffer_size", "hold the 8 samples of an update; got 7"),
        ({"min_variance": 3.0}, "min_variance", "below max_variance; got 3.0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: Any, where: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        dataclasses.replace(TINY, **changes).check_sizes(*SPACES)
    assert error.value.where == f"learner.{where}"
    TINY.check_sizes(*SPACES)
    dataclasses.replace(TINY, ensemble_size=1, strategy="none").check_sizes(*SPACES)
    dataclasses.replace(TINY, ensemble_size=1, free_energy="as-run").check_sizes(*SPACES)


def _batch(key: Any, steps: int, columns: int) -> Trajectory:
    """Return a random trajectory of which only the first column of the state ever changes."""
    keys = jax.random.split(key, 3)
    shape = (steps, 1)
    constant = jnp.broadcast_to(200.0 + jnp.arange(columns), (*shape, columns))
    observation = constant.at[..., 0].set(jax.random.normal(keys[0], shape))
    following = constant.at[..., 0].set(jax.random.normal(keys[1], shape))
    flag = jnp.zeros(shape, bool)
    return Trajectory(
        observation=observation, action=jax.random.uniform(keys[2], (*shape, 2)), aux=(),
        reward=observation[..., 0], terminated=flag, truncated=flag, next_observation=following,
        metrics=(),
    )  # fmt: skip


@pytest.mark.parametrize("free_energy", ["expected", "risk", "as-run"])
def test_columns_that_never_change_stay_finite(free_energy: Any) -> None:
    learner = dataclasses.replace(TINY, free_energy=free_energy, num_envs=1, rollout_steps=64)
    spaces = Box(-np.inf, np.inf, (5,)), Box(0.0, 1.0, (2,))
    state = learner.init(jax.random.key(0), *spaces)
    for seed in range(3):
        key = jax.random.key(seed)
        state, log = learner.update(key, state, _batch(key, 64, 5))
    assert all(bool(jnp.isfinite(leaf)) for leaf in log.values())
    for leaf in jax.tree.leaves(state.networks):
        assert np.all(np.isfinite(leaf))
    policy = learner.policy(state, explore=False)
    np.testing.assert_array_equal(policy.model.live, [True, False, False, False, False])
    at = policy.model.inputs.scaled(jnp.array([0.3, 201.0, 202.0, 203.0, 204.0]))
    predicted = policy.model.predict(jnp.broadcast_to(at, (3, 4, 5)), jnp.zeros((4, 2)))
    np.testing.assert_array_equal(predicted.state_mean[..., 1:] - at[1:], 0.0)
    np.testing.assert_array_equal(predicted.state_variance[..., 1:], 0.0)
    _, decision = policy.act(jax.random.key(9), policy.init_carry(jax.random.key(0)), at)
    assert SPACES[1].shape == decision.action.shape
    assert np.all(np.isfinite(decision.action))
