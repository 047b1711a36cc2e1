"""Imagination: time in its place, looking ahead, chance in common, and epistemic values."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.active_inference import ActiveInference
from edgewright.agents.planning import Objective, imagined, model_step
from edgewright.core.records import Outcome, Trajectory, record
from edgewright.core.spaces import Box
from edgewright.loops.online import advance, init_training
from edgewright.loops.unroll import init_rollout, next_rows, unroll
from edgewright.rules.cem import CEM, answer, no_plan, search
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Uniform

SEARCH = CEM(initial_std=0.7, num_candidates=200, num_elites=20, iterations=6)


@record
class StoreParams:
    """Parameters of the world below."""

    slots: Any


@record
class StoreInputs:
    """Inputs of one slot: nothing that matters."""

    nothing: Any


@record
class StoreState:
    """State between two slots."""

    stored: Any
    slot: Any


@record
class StoreMetrics:
    """Metrics of one slot."""

    reward: Any


@dataclasses.dataclass(frozen=True)
class StoreWorld:
    """What is put into a store in one slot costs now and pays threefold in the next.

    The action is ``a`` in [-1, 1]: ``(a + 1) / 2`` is put into the store. Looking one step ahead,
    the best is nothing (reward 0); looking two ahead, it is everything (3 - 1 = 2 in each slot but
    the first).
    """

    def inputs(self, params: StoreParams) -> Composite:
        drawn = Uniform(low=jnp.float32(0.0), high=jnp.float32(1.0), shape=())
        return Composite(into=StoreInputs, fields={"nothing": drawn})

    def reset(self, params: StoreParams, x: StoreInputs) -> StoreState:
        return StoreState(stored=jnp.zeros(()), slot=jnp.zeros((), jnp.int32))

    def observe(self, params: StoreParams, state: StoreState, x: StoreInputs) -> Any:
        return jnp.stack([state.stored, jnp.ones(())])

    def step(self, params: StoreParams, state: StoreState, action: Any, x: Any) -> Outcome:
        put = 0.5 * (action[0] + 1.0)
        reward = 3.0 * state.stored - put
        slot = state.slot + 1
        return Outcome(
            state=StoreState(stored=put, slot=slot),
            reward=reward,
            terminated=jnp.zeros((), bool),
            truncated=slot >= params.slots,
            metrics=StoreMetrics(reward=reward),
        )

    def observation_space(self, params: StoreParams) -> Box:
        return Box(0.0, 1.0, (2,), names=("stored", "one"))

    def action_space(self, params: StoreParams) -> Box:
        return Box(-1.0, 1.0, (2,))


WORLD = StoreWorld()
STORE = StoreParams(slots=jnp.float32(10))


def _true_step(params: StoreParams) -> Any:
    """Return the world's own physics as the step of a planner."""

    def step(key: Any, state: Any, action: Any) -> tuple[Any, Any]:
        x = StoreInputs(nothing=jnp.zeros(()))
        outcome = jax.vmap(lambda s, a: WORLD.step(params, s, a, x))(state, action)
        return outcome.state, outcome.reward

    return step


def _planned(step: Any, begin: Any, horizon: int, seed: int = 0, settings: CEM = SEARCH) -> Any:
    """Return the first action of a plan with any model."""
    bound = jnp.ones(2)
    start = no_plan(settings, jnp.zeros((horizon, 2)))

    def score(key: Any, candidates: Any) -> Any:
        return imagined(key, step, begin, candidates)

    run = jax.jit(lambda key: search(key, settings, score, start, -bound, bound))
    return answer(settings, run(jax.random.key(seed)))


def _begin(count: int) -> StoreState:
    return StoreState(stored=jnp.zeros(count), slot=jnp.zeros(count, jnp.int32))


def test_looking_ahead_matters_with_the_true_model() -> None:
    assert float(_planned(_true_step(STORE), _begin, 1)[0]) < -0.8  # nothing is stored
    for horizon in (2, 3, 5):
        assert float(_planned(_true_step(STORE), _begin, horizon)[0]) > 0.8


def test_a_score_belongs_to_the_action_of_its_time() -> None:
    """A hand-worked sum; with actions permuted in time it changes as the world says."""
    plan = jnp.array([1.0, -1.0, 0.0])
    orders = [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)]
    candidates = jnp.stack([plan[jnp.array(order)] for order in orders])
    candidates = jnp.stack([candidates, jnp.zeros_like(candidates)], axis=-1)
    scores = imagined(jax.random.key(0), _true_step(STORE), _begin, candidates)
    # Put 1, 0, 1/2: pays 3 times what the slot before put, minus what is put.
    by_hand = [sum(3 * a for a in row[:-1]) - sum(row) for row in (
        (1, 0, 0.5), (0.5, 0, 1), (0, 1, 0.5), (1, 0.5, 0))]  # fmt: skip
    np.testing.assert_allclose(scores, by_hand, rtol=1e-6)


def _learner(**changes: Any) -> ActiveInference:
    settings: dict[str, Any] = {
        "ensemble_size": 3, "hidden_sizes": (32,), "reward_hidden_sizes": (32,),
        "plan_horizon": 3, "num_candidates": 64, "num_elites": 8, "plan_iterations": 4,
        "plan_std": 0.7, "num_envs": 2, "rollout_steps": 10, "learning_starts": 100.0,
        "learning_rate": 3e-3, "batch_size": 32, "strategy": "none", "buffer_size": 2000,
    }  # fmt: skip
    return ActiveInference(**{**settings, **changes})


def _scores(learner: ActiveInference, params: StoreParams, updates: int, seeds: int) -> Any:
    """Return the mean reward per slot ``[seeds]`` of the greedy policy after training."""

    def run(key: Any) -> Any:
        stream = WORLD.inputs(params)
        train_key, play_key, carry_key, roll_key = jax.random.split(key, 4)
        training = init_training(train_key, WORLD, params, stream, learner)
        done = advance(WORLD, params, stream, learner, training, jnp.int32(updates), updates)[0]
        policy = learner.policy(done.learner, explore=False)
        carry = jax.vmap(stream.init_carry)(jax.random.split(carry_key, 1))
        _, rows = next_rows(stream, carry, 11)
        first, rest = (jax.tree.map(lambda leaf, s=s: leaf[s], rows) for s in (0, slice(1, None)))
        start = init_rollout(roll_key, WORLD, params, policy, first)
        return jnp.mean(unroll(play_key, WORLD, params, policy, start, rest)[1].reward)

    return jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), seeds))


@pytest.mark.learn
def test_looking_ahead_matters_with_the_learned_model() -> None:
    """The optimum is 1.8 per slot (-1 in the first of ten, 2 in the others); one step gives 0."""
    far = _scores(_learner(), STORE, 25, 10)
    near = _scores(_learner(plan_horizon=1), STORE, 25, 10)
    assert np.all(np.asarray(far) > 1.5)
    assert np.all(np.asarray(near) < 0.5)


def test_a_horizon_adds_nothing_where_nothing_lasts() -> None:
    """Slots are independent here, so plans of one and of twenty steps begin alike."""
    target = jnp.array([0.4, -0.3])

    def step(key: Any, state: Any, action: Any) -> tuple[Any, Any]:
        return state, -jnp.sum(jnp.square(action - target), axis=-1)

    settings = dataclasses.replace(
        SEARCH, num_candidates=2000, num_elites=100, iterations=40, min_std=0.0
    )
    actions = [
        _planned(step, lambda count: (), horizon, settings=settings)
        for horizon in (1, 20)
    ]  # fmt: skip
    np.testing.assert_allclose(actions[0], actions[1], atol=0.05)


def _model(members: int = 4) -> Any:
    learner = _learner(ensemble_size=members, hidden_sizes=(8,), reward_hidden_sizes=(8,))
    state = learner.init(jax.random.key(3), Box(-1.0, 1.0, (3,)), Box(-1.0, 1.0, (2,)))
    return learner.policy(state, explore=True).model


@pytest.mark.parametrize("strategy", ["information", "variance", "disagreement", "random", "none"])
def test_every_strategy_scores_every_candidate(strategy: Any) -> None:
    model, keys = _model(), jax.random.split(jax.random.key(0))
    state = jax.random.normal(keys[0], (4, 6, 3))
    predicted = model.predict(state, jax.random.normal(keys[1], (6, 2)))
    none = Objective(epistemic_weight=1.0, strategy="none")(keys[0], predicted)
    score = Objective(epistemic_weight=2.0, strategy=strategy)(keys[0], predicted)
    np.testing.assert_allclose(none, predicted.reward_mean.mean(0), rtol=1e-5)
    if strategy == "none":
        np.testing.assert_array_equal(score, none)
    else:
        value = Objective(epistemic_weight=1.0, strategy=strategy).epistemic(keys[0], predicted)
        np.testing.assert_allclose(score, none + 2.0 * value, rtol=1e-5)
        assert float(jnp.std(value)) > 0.0


@pytest.mark.parametrize("estimator", ["lower", "upper", "moments", "knn"])
def test_every_estimator_is_reached(estimator: Any) -> None:
    model, key = _model(), jax.random.key(0)
    predicted = model.predict(jnp.zeros((4, 6, 3)), jax.random.normal(key, (6, 2)))
    value = Objective(epistemic_weight=1.0, estimator=estimator).epistemic(key, predicted)
    assert value.shape == (6,)
    assert np.all(np.isfinite(value))


def test_free_energies_differ_as_their_formulas_say() -> None:
    model, key = _model(), jax.random.key(0)
    predicted = model.predict(jnp.zeros((4, 6, 3)), jax.random.normal(key, (6, 2)))
    goal: dict[str, Any] = {"epistemic_weight": 0.0, "goal": 2.0, "goal_variance": 0.5}
    risk = Objective(**goal, free_energy="risk")(key, predicted)
    by_hand = (predicted.reward_mean - 2.0) ** 2 + predicted.reward_variance
    by_hand = by_hand - 0.5 * jnp.log(2 * predicted.reward_variance) - 0.5
    np.testing.assert_allclose(risk, -by_hand.mean(0), rtol=1e-4)
    entropy = 0.5 * jnp.sum(jnp.log(2 * np.pi * np.e * predicted.state_variance), axis=-1)
    as_run = Objective(**goal, free_energy="as-run")(key, predicted)
    np.testing.assert_allclose(as_run, risk + entropy.mean(0), rtol=1e-4)


def test_blocks_change_nothing() -> None:
    model = _model()
    step = model_step(model, Objective(epistemic_weight=0.1), "common")
    plans = jax.random.normal(jax.random.key(1), (12, 4, 2))

    def begin(count: int) -> Any:
        return jnp.zeros((4, count, 3))

    whole, parts = (imagined(jax.random.key(2), step, begin, plans, n) for n in (1, 3))
    np.testing.assert_allclose(whole, parts, rtol=1e-5)


def test_equal_candidates_meet_equal_chance_where_it_is_common() -> None:
    model, plan = _model(), jnp.ones((5, 4, 2))
    spread = {}
    for particles in ("common", "sampled", "mean"):
        step = model_step(model, Objective(epistemic_weight=0.1), particles)
        scores = imagined(jax.random.key(2), step, lambda n: jnp.zeros((4, n, 3)), plan)
        spread[particles] = float(jnp.std(scores))
    assert spread["common"] == pytest.approx(0.0, abs=1e-5) == spread["mean"]
    assert spread["sampled"] > 1e-3


@pytest.mark.parametrize("strategy", ["information", "disagreement"])
def test_what_was_never_tried_has_the_greater_epistemic_value(strategy: Any) -> None:
    """Actions were below 0 in all data; ten seeds value one of 0.9 above one of -0.5."""
    learner = _learner(
        hidden_sizes=(8,), strategy=strategy, learning_starts=0.0, num_envs=1, rollout_steps=100,
        ensemble_size=5,
    )  # fmt: skip
    shape = (100, 1)

    def values(key: Any) -> Any:
        keys = jax.random.split(key, 4)
        state = learner.init(keys[0], Box(-1.0, 1.0, (1,)), Box(-1.0, 1.0, (2,)))
        action = jax.random.uniform(keys[1], (*shape, 2), minval=-1.0, maxval=0.0)
        flag, seen = jnp.zeros(shape, bool), jax.random.normal(keys[2], (2, *shape, 1))
        batch = Trajectory(
            observation=seen[0], action=action, aux=(), reward=jnp.sin(3 * action[..., 0]),
            terminated=flag, truncated=flag, next_observation=seen[1], metrics=(),
        )  # fmt: skip
        for _ in range(3):
            state = learner.update(keys[3], state, batch)[0]
        policy = learner.policy(state, explore=True)
        tried = jnp.array([[-0.5, -0.5], [0.9, 0.9]])
        predicted = policy.model.predict(jnp.zeros((5, 2, 1)), tried)
        return policy.objective.epistemic(keys[3], predicted)

    old, new = jax.jit(jax.vmap(values))(jax.random.split(jax.random.key(0), 10)).T
    assert np.all(np.asarray(new) > np.asarray(old))
