"""The objective that is scored, against hand-worked sums and the evaluation itself."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.loops.evaluate import evaluate
from edgewright.scenarios import learners
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import build_learner, register_learner
from edgewright.scenarios.load import load
from edgewright.scenarios.policies import baseline
from edgewright.systems.horizon import (
    HorizonParams,
    HorizonWorld,
    WithPhase,
    discounted_slots,
    with_phase,
    without_phase,
)
from edgewright.systems.probes import ProbeWorld, probe
from edgewright.training.runs import evaluation_inputs


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_discounted_slots_are_a_sum(gamma: float, count: int) -> None:
    expected = sum(gamma**k for k in range(count))
    assert float(discounted_slots(gamma, jnp.int32(count))) == pytest.approx(expected, rel=1e-4)
    assert float(discounted_slots(gamma, jnp.int32(-2))) == 0.0


def played(
    world: HorizonWorld, params: HorizonParams, slots: int
) -> list[tuple[float, bool, bool]]:
    x = jax.tree.map(
        lambda leaf: leaf[0],
        ProbeWorld()
        .inputs(params.inner)
        .next_rows(ProbeWorld().inputs(params.inner).init_carry(jax.random.key(0)), 1)[1],
    )
    state, rows = world.reset(params, x), []
    for _ in range(slots):
        outcome = world.step(params, state, jnp.int32(0), x)
        state = outcome.state
        rows.append((float(outcome.reward), bool(outcome.terminated), bool(outcome.truncated)))
    return rows


def test_an_end_costs_the_slots_that_are_left() -> None:
    # The probe pays 1 a slot and ends after three; an episode has five slots, missed ones cost 2.
    params = HorizonParams(inner=probe("finite"), gamma=0.5, missed=-2.0)
    rows = played(HorizonWorld(ProbeWorld(), 5), params, 3)
    assert [row[0] for row in rows[:2]] == [1.0, 1.0]
    assert rows[2][0] == pytest.approx(1.0 + 0.5 * -2.0 * (1 + 0.5))
    assert [row[1:] for row in rows] == [(False, False), (False, False), (True, False)]
    value = sum(0.5**k * row[0] for k, row in enumerate(rows))
    assert value == pytest.approx(sum(0.5**k * r for k, r in enumerate([1, 1, 1, -2, -2])))


def test_a_cut_is_an_end_that_costs_nothing() -> None:
    params = HorizonParams(inner=probe("clock"), gamma=0.5, missed=-2.0)
    assert played(HorizonWorld(ProbeWorld(), 1), params, 1) == [(1.0, True, False)]


def test_the_phase_is_shown_once() -> None:
    params, world = probe("match"), ProbeWorld()
    phased = with_phase(world, params, 4)
    assert isinstance(phased, WithPhase) and without_phase(phased) is world
    assert phased.observation_space(params).names == ("cue", "slot", "phase")
    assert phased.observation_space(params).shape == (3,)
    assert with_phase(phased, params, 4) is phased
    x = jax.tree.map(
        lambda leaf: leaf[0],
        phased.inputs(params).next_rows(phased.inputs(params).init_carry(jax.random.key(0)), 1)[1],
    )
    state = phased.reset(params, x)
    for slot in range(3):
        assert float(phased.observe(params, state, x)[-1]) == slot / 4
        state = phased.step(params, state, jnp.int32(0), x).state
    heavy = build(load("aigc-heavy"))  # has the feature itself
    assert with_phase(heavy.world, heavy.params, 500) is heavy.world


def test_a_policy_that_ignores_the_phase_is_scored_as_without() -> None:
    scenario = load("aigc-heavy", {"params.horizon_slots": 40, "evaluation.episodes": 3})
    problem = build(scenario)
    inputs = evaluation_inputs(scenario, problem)
    policy = baseline("random", problem).policy
    scores = [
        evaluate(
            jax.random.key(0), world, problem.params, policy, inputs, post_termination_reward=-1.0
        )
        for world in (problem.world, WithPhase(problem.world, 40))
    ]
    np.testing.assert_array_equal(scores[0]["reward"], scores[1]["reward"])


def test_a_learner_is_built_with_its_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learners, "_registered", {})
    scenario = load("aigc-heavy")
    problem = build(scenario)
    plan = build_learner("ppo-horizon", scenario, problem, 1e5)
    assert isinstance(plan.train_world, HorizonWorld) and plan.world is problem.world
    assert float(plan.params_of(problem).gamma) == pytest.approx(0.99)
    assert plan.params_of(problem).missed == scenario.evaluation.post_termination_reward
    papers = build_learner("se-ppo", scenario, problem, 1e5)
    assert papers.params_of(problem) is problem.params
    make = type(plan.learner)
    register_learner("forever", make, objective="forever")
    with pytest.raises(InputError, match="objective must be 'horizon'"):
        build_learner("forever", scenario, problem, 1e5)
    assert dataclasses.is_dataclass(make)
