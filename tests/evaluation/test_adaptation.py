"""How adaptation is measured: budgets, when a level is reached, what is refused, what is paired."""

import jax
import numpy as np
import pytest

from edgewright.agents.droo import Droo
from edgewright.core.errors import InputError
from edgewright.evaluation.adaptation import curves, reached, reached_rows, rows
from edgewright.loops import adapt
from edgewright.loops.initialisation import Initialisation
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.systems.binary.held_out import draw_held_out
from edgewright.systems.system import PolicyEntry

SMALL = {
    "world.devices": 3,
    "evaluation.episodes": 4,
    "params.horizon_slots": 30,
    "params.train_scenarios": 6,
}


@pytest.fixture(scope="module")
def place():
    """Return the build, its held-out set and what makes a policy entry of a learner's settings."""
    scenario = load("binary-hard", SMALL)
    problem = build(scenario)
    held_out = draw_held_out(scenario.evaluation, problem)
    space = problem.world.observation_space(problem.params)

    def policy_entry(seed=0, **settings):
        learner = Droo(num_candidates=3, **settings).fitted(space)
        network = learner.network(jax.random.key(seed), space)
        start = Initialisation(network=network, learner=learner, shared=True)
        return PolicyEntry("droo", "learned", start, None, problem.world)

    return problem, held_out, policy_entry


def test_a_level_is_reached_where_it_is_kept():
    steps = [0, 1, 2, 3, 4, 5, 6, 7, 8]
    spike = np.array([0.5, 1, 0.5, 0.8, 1, 1, 1, 1, 1])
    assert reached(steps, spike) == 4
    assert reached(steps, np.full(9, 0.98)) is None
    assert reached(steps, np.array([0.5] * 8 + [1.0])) == 8  # the last evaluation alone
    assert reached(steps, np.ones(9)) == 0


def test_before_the_first_step_nothing_has_happened_and_the_budget_is_counted(place):
    problem, held_out, policy_entry = place
    one = policy_entry()
    found = curves([one], problem, held_out, [0, 2, 5])
    policy = one.policy.policy(0)
    alone = adapt.evaluate_proposer_all(
        jax.random.key(0), problem.world, problem.tasks.test, policy, held_out
    )
    np.testing.assert_allclose(found.scores.q_hat[0, :, 0], alone.q_hat, rtol=1e-6)
    table = rows(found)
    assert [row["slots"] for row in table] == [0, 20, 50]
    assert [row["world_evaluations"] for row in table] == [0, 60, 150]
    mean = np.mean(found.scores.q_hat[0, :, 2, 1])
    assert table[2]["q_hat"]["mean"] == pytest.approx(mean, abs=1e-6)
    assert reached_rows(found)["q_hat"]["level"] == 0.99


def test_a_seed_adapts_on_the_same_slots_whoever_it_is(place):
    """A learner with another memory that never fills is the same learner."""
    problem, held_out, policy_entry = place
    ours = curves([policy_entry(), policy_entry(1)], problem, held_out, [0, 2, 5])
    same = curves([policy_entry(buffer_size=2048), policy_entry(1)], problem, held_out, [0, 2, 5])
    np.testing.assert_allclose(ours.scores.cost, same.scores.cost, rtol=1e-5)
    assert np.any(ours.scores.cost[0, :, 1] != ours.scores.cost[1, :, 1])


@pytest.mark.parametrize("steps", [[], [3, 3], [5, 1], [-1, 2]])
def test_steps_that_do_not_rise_are_refused(place, steps):
    problem, held_out, policy_entry = place
    with pytest.raises(InputError, match="does not rise"):
        curves([policy_entry()], problem, held_out, steps)


def test_what_does_not_adapt_is_refused(place):
    problem, held_out, _ = place
    with pytest.raises(InputError, match="'prefix' does not adapt"):
        curves([baseline("prefix", problem)], problem, held_out, [0, 1])
