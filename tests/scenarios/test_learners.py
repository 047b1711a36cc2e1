"""Learners by name: what extends what, which spaces they fit, and what a plug-in may bring."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import pytest

from edgewright.agents.dqn import DQN
from edgewright.agents.droo import Droo
from edgewright.agents.independent import Independent
from edgewright.agents.maml import Maml
from edgewright.agents.ppo import PPO
from edgewright.core.errors import InputError
from edgewright.core.records import Outcome, record
from edgewright.core.spaces import Box
from edgewright.scenarios import learners
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import (
    build_learner,
    learner_class,
    learner_names,
    register_learner,
    world_of_learner,
)
from edgewright.scenarios.load import load
from edgewright.streams.compose import Composite
from edgewright.streams.processes import Uniform
from edgewright.systems import registry
from edgewright.systems.problem import Problem
from edgewright.systems.registry import register_system
from edgewright.systems.simple import plain_system


@record
class Params:
    horizon_slots: jnp.ndarray


@record
class Inputs:
    value: jnp.ndarray


@record
class Metrics:
    reward: jnp.ndarray


@dataclasses.dataclass(frozen=True)
class Continuous:
    """A world whose action is a number, and which has no axis of agents."""

    def inputs(self, params):
        return Composite(into=Inputs, fields={"value": Uniform(low=0.0, high=1.0)})

    def reset(self, params, x):
        return jnp.zeros((), jnp.int32)

    def observe(self, params, state, x):
        return x.value[None]

    def step(self, params, state, action, x):
        reward = -jnp.sum(jnp.square(action - x.value))
        after = state + 1
        over = after >= params.horizon_slots
        never = jnp.zeros((), bool)
        metrics = Metrics(reward=reward)
        return Outcome(
            state=after, reward=reward, terminated=never, truncated=over, metrics=metrics
        )

    def observation_space(self, params):
        return Box(0.0, 1.0, (1,))

    def action_space(self, params):
        return Box(0.0, 1.0, (1,))


def problem_of(tmp_path: Path, monkeypatch, learners: str) -> Problem:
    file = tmp_path / "learners.toml"
    file.write_text(learners)
    monkeypatch.setattr(registry, "_systems", dict(registry.systems()))
    system = plain_system("reals", Continuous, Params, {"random": ("rule", lambda problem: None)})
    register_system(dataclasses.replace(system, learners=str(file)))
    world, params = Continuous(), Params(horizon_slots=jnp.float32(4))
    stream = world.inputs(params)
    return Problem(
        kind="reals", world=world, horizon=4, params=params, train_stream=stream, test_stream=stream
    )


def test_a_learner_that_does_not_fit_is_refused_with_those_that_do(tmp_path, monkeypatch):
    mine = '[mine]\nlearner = "edgewright.agents.droo:Droo"\n'
    problem = problem_of(tmp_path, monkeypatch, mine)
    fitting = ["se-ppo", "se-ppo-steady", "se-ppo-pruned", "ppo-norm", "ppo-lr", "ppo", "a2c"]
    fitting += ["ppo-horizon", "a2c-horizon", "all-action-sampled"]
    fitting += [
        "ddpg",
        "td3",
        "sac",
        "dmsac",
        "dmsac-eps",
        "dmsac-paper",
        "dmsac-small",
        "edmsac",
        "edmsac-rate",
        "edmsac-group",
        "dmsac-group",
        "dmsac-random",
        "dmsac-one-shot",
        "active-inference",
        "active-inference-paper",
        "mine",
    ]
    assert learner_names(problem) == fitting
    with pytest.raises(InputError, match="'dqn' cannot learn here: its actions must be Disc"):
        world_of_learner("dqn", problem)
    with pytest.raises(InputError, match="learners that fit: se-ppo, .*, mine"):
        world_of_learner("dqn-plain", problem)


def test_a_learner_that_changes_what_its_world_has_not_is_refused(tmp_path, monkeypatch):
    text = '[own]\nlearner = "edgewright.agents.droo:Droo"\nworld = { devices = 3 }\n'
    problem = problem_of(tmp_path, monkeypatch, text)
    with pytest.raises(InputError, match="its world has no devices"):
        world_of_learner("own", problem)


@pytest.mark.parametrize("above", ["a", "b", "nothing"])
def test_a_circle_and_a_missing_learner_are_refused(tmp_path, monkeypatch, above):
    text = f'[a]\nextends = "{above}"\n[b]\nextends = "a"\n'
    problem = problem_of(tmp_path, monkeypatch, text)
    with pytest.raises(InputError, match="must extend another learner"):
        learner_names(problem)


def test_settings_go_down_to_the_inner_learner_and_through_what_is_extended():
    problem = build(load("binary-hard"))
    plan = build_learner("dnn-scenario", load("binary-hard"), problem, 1e4)
    assert isinstance(plan.learner, Maml)
    assert (plan.learner.order, plan.learner.labels) == ("pooled", "optimum")
    assert isinstance(plan.learner.base, Droo)
    assert plan.learner.base.adapt == "none"
    assert plan.learner.base.num_candidates == problem.world.devices  # from the world
    assert plan.world.obs == "scenario"
    wide = load("binary-hard", {"learner.num_candidates": 3, "learner.inner_steps": 2})
    own = build_learner("maml", wide, problem, 1e4).learner
    assert (own.base.num_candidates, own.inner_steps) == (3, 2)
    fleet = load("aigc-fleet", {"learner.gamma": 0.5})
    each = build_learner("se-ppo-independent", fleet, build(fleet), 1e4).learner
    assert isinstance(each, Independent)
    assert each.inner.gamma == 0.5
    assert each.inner.total_steps == 1e4


def test_classes_by_name():
    kinds = {"a2c": PPO, "dqn-plain": DQN, "se-ppo-independent": Independent, "se-ppo-alone": PPO}
    assert {name: learner_class(name, "aigc") for name in kinds} == kinds
    assert learner_class("bias-only", "binary") is Maml


def test_a_name_is_taken_once():
    with pytest.raises(InputError, match="there is a learner 'maml' already"):
        register_learner("maml", PPO)


def test_sizes_are_checked_by_the_learner():
    problem = build(load("binary-hard"))
    for key, value, message in (
        ("num_candidates", 99, "must be at most 11; got 99"),
        ("buffer_size", 5, "must hold the 10 slots of a step; got 5"),
    ):
        scenario = load("binary-hard", {f"learner.{key}": value})
        for name in ("droo", "maml"):
            with pytest.raises(InputError, match=message):
                build_learner(name, scenario, problem, 1e4)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('learner = "edgewright.agents.nothing:Nothing"', "own: cannot be imported: No module"),
        ('learner = "edgewright.agents.ppo:Nothing"', "own: cannot be imported: module"),
        ("gamma = 0.5", "'own' must name its class; got None"),
        ('extends = ["a"]', "must extend another learner"),
        ('learner = "edgewright.agents.maml:Maml"\naround = "own"', "must be around a plain"),
        ('learner = "edgewright.agents.maml:Maml"\naround = "x"', "must be around a plain"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, monkeypatch, entry, message):
    problem = problem_of(tmp_path, monkeypatch, f"[own]\n{entry}\n")
    with pytest.raises(InputError, match=message):
        learner_names(problem)


def test_a_registered_learner_may_set_a_tuple_and_is_offered_where_it_fits(monkeypatch):
    monkeypatch.setattr(learners, "_registered", {})
    register_learner("mine", PPO, hidden_sizes=(8, 8))
    problem = build(load("aigc-heavy"))
    assert build_learner("mine", load("aigc-heavy"), problem, 1e4).learner.hidden_sizes == (8, 8)
    assert "mine" not in learner_names(build(load("binary-hard")))


@pytest.mark.parametrize("value", [[10**12], [8, 0], 10**12])
def test_a_size_is_a_whole_number_of_32_bits(value):
    key = "epochs" if isinstance(value, int) else "hidden_sizes"
    scenario = load("aigc-heavy", {f"learner.{key}": value})
    with pytest.raises(InputError, match="must be a whole number from 1 to 2147483647"):
        build_learner("se-ppo", scenario, build(scenario), 1e4)


@pytest.mark.parametrize(
    ("learner", "key", "preset"),
    [
        ("all-action-ppo", "look_ahead", "aigc-heavy"),
        ("dqn-fleet", "malicious_devices", "aigc-fleet"),
    ],
)
def test_a_count_that_is_zero_by_default_may_be_zero(learner, key, preset):
    scenario = load(preset, {f"learner.{key}": 0})
    built = build_learner(learner, scenario, build(scenario), 1e4).learner
    assert getattr(built, key) == 0
