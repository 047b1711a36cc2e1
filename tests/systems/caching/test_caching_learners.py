"""Learners of the caching system: what they train in, what they are refused, and resuming."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.loops.evaluate import episode_inputs, play
from edgewright.loops.online import advance, init_training
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.learners import learner_names
from edgewright.scenarios.load import load
from edgewright.systems.caching.build import game
from edgewright.systems.caching.policies import policy

SMALL = {
    "upper": {"hidden_sizes": [8], "learning_starts": 2.0, "batch_size": 4},
    "lower": {
        "hidden_sizes": [8],
        "reward_hidden_sizes": [8],
        "ensemble_size": 2,
        "num_candidates": 8,
        "num_elites": 2,
        "plan_iterations": 2,
        "learning_starts": 4.0,
        "batch_size": 4,
    },
}

PLANNER = {
    "lower": {
        "hidden_sizes": [32, 32],
        "reward_hidden_sizes": [32, 32],
        "ensemble_size": 2,
        "num_candidates": 32,
        "num_elites": 4,
        "plan_iterations": 2,
        "learning_starts": 100.0,
    },
}


def test_every_learner_of_two_levels_fits_and_none_of_one_level() -> None:
    names = learner_names(build(load("caching-toy", {})))
    assert {"hadrl", "hadrl-td3", "ddpg-ddpg", "ppo-ppo", "hadrl-as-run"} <= set(names)
    assert not {"se-ppo", "dqn", "ddpg", "active-inference"} & set(names)


@pytest.mark.parametrize(
    ("settings", "key", "text"),
    [
        ({"lower": {"ensemble_size": 1}}, "learner.lower.ensemble_size", "must be at least 2"),
        ({"lower": {"plan_horizons": 3}}, "learner.lower.plan_horizons", "no such setting"),
        ({"middle": {"gamma": 0.9}}, "learner.middle", "no part 'middle'"),
        ({"lower": 3}, "learner.lower", "not a table"),
        ({"upper": {"tau": 2.0}}, "learner.upper.tau", "above 1"),
    ],
)
def test_wrong_settings_of_a_level_are_refused_by_its_table(
    settings: dict[str, Any], key: str, text: str
) -> None:
    scenario = load("caching-toy", {})
    problem = build(scenario)
    with pytest.raises(InputError, match=text) as caught:
        build_learner("hadrl", dataclasses.replace(scenario, learner=settings), problem, 100)
    assert key in str(caught.value)


def test_a_training_that_goes_on_from_its_state_ends_with_the_same_weights() -> None:
    scenario = dataclasses.replace(load("caching-toy", {"params.epochs": 2}), learner=SMALL)
    problem = build(scenario)
    plan = build_learner("hadrl", scenario, problem, 1000)
    given = (plan.train_world, problem.params, problem.train_stream, plan.learner)
    start = init_training(jax.random.key(0), plan.train_world, *given[1:])
    whole, _ = advance(*given, start, jnp.int32(4), 4)
    half, _ = advance(*given, start, jnp.int32(2), 4)
    half = jax.tree.map(lambda leaf: jnp.asarray(leaf), half)
    again, _ = advance(*given, half, jnp.int32(2), 4)
    for a, b in zip(jax.tree.leaves(whole.learner), jax.tree.leaves(again.learner), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    moved = zip(jax.tree.leaves(start.learner), jax.tree.leaves(whole.learner), strict=True)
    assert any(not np.array_equal(np.asarray(a), np.asarray(b)) for a, b in moved)


def test_a_run_with_exact_shares_plays_with_them_and_the_other_way_is_refused() -> None:
    problem, divided = build(load("caching-es2", {})), {"world.shares": "square_root"}
    exact = dataclasses.replace(problem.world, shares="square_root")
    assert game(exact, problem).shares == "square_root"
    assert game(problem.world, problem) == problem.world
    with pytest.raises(InputError, match="the run was trained in"):
        game(problem.world, build(load("caching-es2", divided)))
    with pytest.raises(InputError, match="the run was trained in"):
        game(problem.world, build(load("caching-es3", {})))


@pytest.mark.learn
def test_a_planner_closes_a_third_of_the_way_to_the_exact_optimum_and_never_passes_it() -> None:
    """From random decisions to the dynamic program, on the same 60 episodes, after 3840 steps."""
    updates = 160
    scenario = dataclasses.replace(load("caching-toy"), learner=PLANNER)
    problem = build(scenario)
    inputs = episode_inputs(jax.random.key(9), problem.test_stream, 60, problem.horizon, {})
    rewards = {}
    for rule in ("random", "optimum"):
        entry = policy(rule, problem)
        assert entry is not None
        played = entry.play(jax.random.key(0), problem.params, inputs)
        rewards[rule] = float(jnp.mean(played.metrics.reward))
    plan = build_learner("hadrl", scenario, problem, 24.0 * updates)
    given = (plan.train_world, problem.params, problem.train_stream, plan.learner)

    def reward(key: Any) -> Any:
        start = init_training(key, plan.train_world, *given[1:])
        done = advance(*given, start, jnp.int32(updates), updates)[0]
        greedy = plan.learner.policy(done.learner, explore=False)
        return jnp.mean(play(key, plan.world, problem.params, greedy, inputs).metrics.reward)

    learned = np.asarray(jax.jit(jax.vmap(reward))(jax.random.split(jax.random.key(5))))
    closed = (learned - rewards["random"]) / (rewards["optimum"] - rewards["random"])
    assert np.mean(closed) > 1 / 3, closed
    assert np.max(closed) < 1.02, closed
