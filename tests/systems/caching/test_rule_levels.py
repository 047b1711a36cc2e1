"""Learners of two levels of which one is a rule: training, playing, exporting, wrong names."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

from edgewright.agents.rule_level import RulePolicy
from edgewright.cli.main import app
from edgewright.core.errors import InputError
from edgewright.loops.evaluate import observe_fn_of, play
from edgewright.loops.online import advance, init_training
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.learners import learner_names
from edgewright.scenarios.load import load
from edgewright.systems.caching.policies import policy
from edgewright.systems.trainer import draw_inputs
from edgewright.testing import check_learner

TINY = {"hidden_sizes": [8], "learning_starts": 2.0, "batch_size": 4}
FEW = ("evaluation.episodes=4", "params.epochs=2")
PLANNER = {
    **TINY,
    "reward_hidden_sizes": [8],
    "ensemble_size": 2,
    "num_candidates": 8,
    "num_elites": 2,
    "plan_iterations": 2,
}


def plan_of(name: str, settings: dict[str, Any], scenario_name: str = "caching-toy") -> Any:
    scenario = load(scenario_name, {"params.epochs": 2, "evaluation.episodes": 4})
    scenario = dataclasses.replace(scenario, learner=settings)
    problem = build(scenario)
    return scenario, problem, build_learner(name, scenario, problem, 1000)


def greedy(problem: Any, plan: Any) -> Any:
    """Return the policy of a learner that has not learned yet."""
    spaces = (fn(problem.params) for fn in (plan.world.observation_space, plan.world.action_space))
    return plan.learner.policy(plan.learner.init(jax.random.key(3), *spaces), explore=False)


def changed(one: Any, other: Any) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any(not np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)


@pytest.mark.parametrize(
    ("name", "learned", "settings"),
    [
        ("ddpg-search", "upper", {"upper": TINY}),
        ("ddpg-cem", "upper", {"upper": TINY}),
        ("spread-ddpg", "lower", {"lower": TINY}),
        ("spread-active-inference", "lower", {"lower": PLANNER}),
    ],
)
def test_one_level_learns_and_the_other_one_is_a_rule(
    name: str, learned: str, settings: dict[str, Any]
) -> None:
    _, problem, plan = plan_of(name, settings)
    given = (plan.train_world, problem.params, problem.train_stream, plan.learner)
    start = init_training(jax.random.key(0), plan.train_world, *given[1:])
    ended, logs = advance(*given, start, jnp.int32(3), 3)
    index = ("upper", "lower").index(learned)
    assert changed(start.learner[index], ended.learner[index])
    assert ended.learner[1 - index] == ()
    assert {key[:5] for key in logs if key[:6] in ("upper_", "lower_")} == {learned}
    made = plan.learner.policy(ended.learner, explore=False)
    assert isinstance((made.upper, made.lower)[1 - index], RulePolicy)


def test_a_rule_above_decides_the_caches_as_by_itself() -> None:
    scenario, problem, plan = plan_of("spread-ddpg", {"lower": TINY}, "caching-es2")
    made = greedy(problem, plan)
    inputs = draw_inputs(scenario.evaluation, problem)
    see = observe_fn_of(made, plan.world)
    played = play(jax.random.key(0), plan.world, problem.params, made, inputs, observe_fn=see)
    entry = policy("spread+nearest-equal", problem)
    assert entry is not None
    alone = entry.play(jax.random.key(0), problem.params, inputs)
    period = problem.world.period  # demand, and so the caches, does not depend on the slots
    ours, theirs = (np.asarray(one.actions["cache"])[::period] for one in (played, alone))
    np.testing.assert_array_equal(ours, theirs)
    assert np.ptp(ours) > 0
    assert changed(played.actions["server"], alone.actions["server"])


def test_a_rule_below_decides_the_slots_as_by_itself() -> None:
    scenario, problem, plan = plan_of("ddpg-search", {"upper": TINY}, "caching-es2")
    made = greedy(problem, plan)
    inputs = draw_inputs(scenario.evaluation, problem)
    x = jax.tree.map(lambda leaf: leaf[0, 0], inputs)
    start, key = problem.world.reset(problem.params, x), jax.random.key(0)
    cached = jax.random.bernoulli(key, 0.5, start.cached.shape).astype(jnp.float32)
    state = dataclasses.replace(start, cached=cached, slot=jnp.int32(1))
    see = observe_fn_of(made, plan.world)
    assert see is not None
    shown = see(problem.params, state, x)
    decided = made.act(key, made.init_carry(key), shown)[1].action
    entry = policy("none+search-root", problem)
    assert entry is not None
    alone = entry.policy.act(jax.random.key(5), (), shown.known)[1].action
    for part in ("server", "bandwidth", "speed"):
        np.testing.assert_array_equal(decided[part], alone[part])


def test_a_learner_with_a_rule_in_it_keeps_the_laws_of_learners() -> None:
    _, problem, plan = plan_of("ddpg-search", {"upper": TINY})
    check_learner(plan.learner, plan.world, problem.params)


def test_without_the_state_a_policy_with_a_rule_says_what_it_needs() -> None:
    _, problem, plan = plan_of("ddpg-search", {"upper": TINY})
    made = greedy(problem, plan)
    row = jnp.zeros(plan.world.observation_space(problem.params).shape)
    with pytest.raises(InputError, match="must be shown the world's state"):
        made.act(jax.random.key(0), made.init_carry(jax.random.key(0)), row)


def test_any_level_of_any_learner_can_be_a_rule_or_another_learner() -> None:
    lower = {"kind": "rule", "name": "nearest-equal"}
    learner = plan_of("hadrl", {"upper": TINY, "lower": lower}, "caching-es2")[2].learner
    assert learner.lower.rule.offloading.association == "nearest"
    assert learner.upper.hidden_sizes == (8,)
    learner = plan_of("hadrl", {"upper": {"kind": "td3"}}, "caching-es2")[2].learner
    assert learner.upper.twin and type(learner.lower).__name__ == "ActiveInference"


@pytest.mark.parametrize(
    ("settings", "where", "text"),
    [
        ({"lower": {"name": "serch-root"}}, "learner.lower.name", "unknown rule for the servers"),
        ({"lower": {"kind": "rule"}}, "learner.lower.name", "unknown rule for the servers ''"),
        ({"upper": {"kind": "rule", "name": "lfu"}}, "learner", "both of its levels are rules"),
        ({"upper": {"kind": "rule", "name": "lfo"}, "lower": {"kind": "ddpg"}},
         "learner.upper.name", "unknown rule for the caches 'lfo'"),
        ({"upper": {"kind": "dpg"}}, "learners of 'caching'", "around a plain learner; got 'dpg'"),
        ({"upper": {"kind": 3}}, "learners of 'caching'", "around a plain learner; got '3'"),
        ({"middle": {"kind": "ddpg"}}, "learner.middle.kind", "has no part 'middle'"),
    ],
)  # fmt: skip
def test_wrong_kinds_and_names_are_refused_by_their_key(
    settings: dict[str, Any], where: str, text: str
) -> None:
    with pytest.raises(InputError, match=text) as caught:
        plan_of("ddpg-search", settings, "caching-es2")
    assert where in str(caught.value)


def test_a_rule_by_itself_is_no_learner() -> None:
    problem = build(load("caching-toy", {}))
    assert "rule" not in learner_names(problem)
    with pytest.raises(InputError, match="unknown learner 'rule'"):
        build_learner("rule", load("caching-toy", {}), problem, 10)


def invoke(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def test_a_run_is_trained_judged_and_its_learned_level_exported(tmp_path: Path) -> None:
    run, bundle = str(tmp_path / "run"), str(tmp_path / "upper.edge")
    small = [f"learner.upper.{key}={value}" for key, value in TINY.items()]
    sets = [word for one in (*small, *FEW) for word in ("--set", one)]
    made = invoke(
        "train", "caching-toy", "--learner", "ddpg-search", "--steps", "200", *sets, "--out", run
    )
    assert made.exit_code == 0, made.output
    judged = invoke("evaluate", run, "--json")
    assert judged.exit_code == 0, judged.output
    assert "hit_ratio" in json.dumps(json.loads(judged.stdout))
    for level in ((), ("--level", "lower")):
        refused = invoke("export", run, *level, "--out", bundle)
        assert isinstance(refused.exception, InputError)
        assert "add --level upper" in (refused.exception.hint or "")
    upper = invoke("export", run, "--level", "upper", "--out", bundle)
    assert upper.exit_code == 0, upper.output
