"""PPO with numbers as actions: densities by hand, and a world whose best number is known."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from edgewright.agents.ppo import PPO
from edgewright.core.spaces import Box, Discrete, Record
from edgewright.loops.online import advance, init_training
from edgewright.nets.actors import Gaussian, GaussianActor, init_actor
from edgewright.systems.target_probe import TargetParams, TargetWorld

OBSERVED = Box(-1.0, 1.0, (3,))


@pytest.mark.parametrize("agents", [0, 3])
def test_the_best_numbers_are_learned(agents: int) -> None:
    world, params = TargetWorld(agents), TargetParams(horizon_slots=jnp.float32(8))
    learner = PPO(
        gamma=0.0, actor_learning_rate=3e-3, critic_learning_rate=3e-3, entropy_coef=0.0,
        total_steps=200.0 * 256, normalize_observations=False, hidden_sizes=(16,),
        num_envs=8, rollout_steps=32, epochs=8, batch_size=64,
    )  # fmt: skip
    stream = world.inputs(params)
    training = init_training(jax.random.key(0), world, params, stream, learner)
    state = advance(world, params, stream, learner, training, jnp.int32(200), 200)[0].learner
    cue = jnp.linspace(-0.8, 0.8, 5)
    cue = jnp.tile(cue[:, None], (1, agents)) if agents else cue
    observation = cue[..., None]
    _, decision = learner.policy(state, explore=False).act(jax.random.key(1), (), observation)
    np.testing.assert_allclose(decision.action, world.best_action(cue), atol=0.25)
    assert float(jnp.max(state.networks[0].log_deviation)) < -0.5  # it became sure


def test_log_probability_and_entropy_are_those_of_scipy() -> None:
    law = Gaussian(Box(-1.0, 1.0, (2,)))
    mean, deviation = np.array([0.3, -1.0]), np.array([0.5, 2.0])
    scores = jnp.asarray([*mean, *np.log(deviation)])
    free = np.array([1.0, 0.2])
    exact = stats.norm.logpdf(free, mean, deviation).sum()
    assert float(law.log_probability(scores, jnp.asarray(free))) == pytest.approx(exact, rel=1e-5)
    exact = stats.norm.entropy(mean, deviation).sum()
    assert float(law.entropy(scores)) == pytest.approx(exact, rel=1e-5)


def test_draws_follow_the_law_and_stay_within_bounds() -> None:
    law = Gaussian(Box((0.0, -2.0), (1.0, 6.0), (2,)))
    scores = jnp.broadcast_to(jnp.array([0.2, -0.4, 0.0, math.log(0.5)]), (20_000, 4))
    decision = law.drawn(jax.random.key(0), scores)
    _, free = decision.aux
    np.testing.assert_allclose(free.mean(0), [0.2, -0.4], atol=0.03)
    np.testing.assert_allclose(free.std(0), [1.0, 0.5], atol=0.03)
    # tanh scaled to the bounds: 0 + 1 (tanh(u) + 1) / 2, and -2 + 8 (tanh(u) + 1) / 2
    np.testing.assert_allclose(
        decision.action, np.array([0, -2]) + np.array([1, 8]) * (np.tanh(free) + 1) / 2, atol=1e-5
    )
    by_hand = stats.norm.logpdf(free, [0.2, -0.4], [1.0, 0.5]).sum(1)
    np.testing.assert_allclose(decision.aux[0], by_hand, atol=1e-4)


def test_numbers_without_bounds_are_the_means_themselves() -> None:
    law = Gaussian(Box(-np.inf, np.inf, (2,)))
    np.testing.assert_allclose(law.likeliest(jnp.array([5.0, -7.0, 0.0, 0.0])), [5.0, -7.0])


@pytest.mark.parametrize(
    ("shape", "numbers"), [((), 1), ((2,), 2), ((2, 3), 6)], ids=["scalar", "vector", "matrix"]
)
def test_an_actor_has_one_number_for_each_entry(shape: tuple[int, ...], numbers: int) -> None:
    actor = init_actor(jax.random.key(0), OBSERVED, Box(0.0, 1.0, shape), (8,))
    assert isinstance(actor, GaussianActor)
    assert actor.log_deviation.shape == (numbers,)
    decision = Gaussian(actor.space).drawn(jax.random.key(1), actor(jnp.zeros((5, 3))))
    assert decision.action.shape == (5, *shape)


def test_spaces_it_cannot_learn_are_named() -> None:
    learner = PPO()
    assert not learner.misfit(OBSERVED, Discrete(3))
    assert not learner.misfit(OBSERVED, Box(0.0, 1.0, ()))
    assert not learner.misfit(OBSERVED, Box(-np.inf, np.inf, (2,)))
    for space in (Box(0.0, np.inf, (2,)), Record((("a", Discrete(2)),))):
        assert "all finite or all infinite" in learner.misfit(OBSERVED, space)
