"""A learner beside a guide: it imitates it, learns without it, and leaves a bad one behind."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.agents.guided import Guided
from edgewright.agents.ppo import PPO
from edgewright.core.errors import InputError
from edgewright.core.records import Decision, Memoryless, record, static
from edgewright.loops.evaluate import PrivilegedObservation
from edgewright.loops.online import advance, init_training
from edgewright.rules.policy_gradient import imitation_loss
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import build_learner
from edgewright.scenarios.load import load
from edgewright.systems.horizon import OnHorizon
from edgewright.systems.probes import ProbeWorld, probe

UPDATES = 40

INNER = PPO(
    gamma=0.8, actor_learning_rate=3e-3, critic_learning_rate=3e-3, total_steps=UPDATES * 128.0,
    normalize_rewards=False, hidden_sizes=(16,), num_envs=8, rollout_steps=16, epochs=4,
    batch_size=32, all_actions=True, expected_returns=True,
)  # fmt: skip


@record
class ByCue(Memoryless):
    """The action that the probe pays for, or the other one; it looks at the state."""

    right: bool = static()

    def act(self, key: Any, carry: Any, known: PrivilegedObservation) -> tuple[Any, Decision]:
        action = (known.state.cue > 0).astype(jnp.int32)
        return carry, Decision(action=action if self.right else 1 - action, aux=())


def learned(right: bool, **settings: Any) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """Return the actions at cues -1 and 1 after training, the training, and its logs."""
    learner = Guided(
        inner=INNER, rule=OnHorizon(rule=ByCue(right=right)), total_steps=UPDATES * 128.0
    )
    learner = dataclasses.replace(learner, **settings)
    world, params = ProbeWorld(), probe("match")
    arguments = (world, params, world.inputs(params), learner)
    training = init_training(jax.random.key(0), *arguments)
    training, log = advance(*arguments, training, jnp.int32(UPDATES), UPDATES)
    policy = learner.policy(training.learner, explore=False)
    cues = jnp.array([[-1.0, 0.0], [1.0, 0.0]])
    action = policy.act(jax.random.key(1), (), cues)[1].action
    return np.asarray(action), training, {name: np.asarray(leaf) for name, leaf in log.items()}


def test_a_guide_that_never_goes_is_imitated_though_it_is_wrong() -> None:
    action, _, _ = learned(right=False, guide_coef=100.0, guide_fraction=1.0)
    np.testing.assert_array_equal(action, [1, 0])


def test_a_wrong_guide_is_left_behind() -> None:
    action, _, log = learned(right=False, guide_coef=1.0, guide_fraction=0.3)
    np.testing.assert_array_equal(action, [0, 1])
    assert log["reward"][-1] > 0.9 > log["reward"][3]


def test_the_weight_falls_to_zero_along_a_line() -> None:
    _, _, log = learned(right=True, guide_coef=2.0, guide_fraction=0.5)
    np.testing.assert_allclose(log["guide_weight"][:3], [2.0, 1.9, 1.8], rtol=1e-5)
    np.testing.assert_array_equal(log["guide_weight"][UPDATES // 2 :], 0.0)


def test_without_weight_it_is_the_learner_alone() -> None:
    _, training, _ = learned(right=False, guide_coef=0.0)
    world, params = ProbeWorld(), probe("match")
    arguments = (world, params, world.inputs(params), INNER)
    # The explorer draws from another key beside a guide, so the draws are compared, not the curve.
    alone, _ = advance(
        *arguments, init_training(jax.random.key(0), *arguments), jnp.int32(UPDATES), UPDATES
    )
    cues = jnp.array([[-1.0, 0.0], [1.0, 0.0]])
    for state in (training.learner.inner, alone.learner):
        scores = state.networks[0](state.inputs(cues))
        np.testing.assert_array_equal(jnp.argmax(scores, axis=-1), [0, 1])


def test_the_loss_is_the_cross_entropy() -> None:
    scores = jnp.log(jnp.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]))
    expected = -(np.log(0.2) + np.log(0.5)) / 2
    assert float(imitation_loss(scores, jnp.array([1, 2]))) == pytest.approx(expected, rel=1e-5)


def test_a_rule_of_the_scenario_guides_by_its_name_and_under_the_horizon() -> None:
    small = {"learner.guide": "greedy", "training.steps": 8192}
    scenario = load("aigc-heavy", small)
    problem = build(scenario)
    plan = build_learner("all-action-guided", scenario, problem, 8192.0)
    world, params = plan.train_world, plan.train_params
    arguments = (world, params, problem.train_stream, plan.learner)
    training = init_training(jax.random.key(0), *arguments)
    _, log = advance(*arguments, training, jnp.int32(2), 2)
    assert np.all(np.isfinite(np.asarray(log["guide_loss"])))
    assert float(log["guide_loss"][1]) < float(log["guide_loss"][0])


@pytest.mark.parametrize("name", ["nobody", "clairvoyant-8", "se-ppo"])
def test_a_guide_that_is_no_rule_is_refused(name: str) -> None:
    scenario = load("aigc-heavy", {"learner.guide": name})
    with pytest.raises(InputError, match="guide must be a rule of 'aigc'"):
        build_learner("all-action-guided", scenario, build(scenario), 8192.0)
