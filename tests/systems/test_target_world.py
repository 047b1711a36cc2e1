"""A world with real numbers for actions, with every learner that fits, from training to file."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import edgewright as ew
from edgewright.core.records import Decision, Memoryless, record
from edgewright.core.spaces import Box
from edgewright.systems import registry
from edgewright.systems.simple import plain_system
from edgewright.systems.target_probe import HIGH, LOW, TargetParams, TargetWorld
from edgewright.testing import check_world

PLANNERS = ("active-inference", "active-inference-paper")
"""They fit as well; what they learn is tested with their class."""

FITTING = (
    "se-ppo",
    "se-ppo-steady",
    "ppo-norm",
    "ppo-lr",
    "ppo",
    "a2c",
    "ppo-horizon",
    "a2c-horizon",
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
)
SCENARIO = """
schema = 1
name = "target"
title = "Numbers that are to hit a target"

[world]
kind = "target"

[params]
horizon_slots = 40

[evaluation]
episodes = 20
seed = 1
post_termination_reward = 0.0
baseline = "middle"
reference = "middle"

[training]
learner = "ppo"
steps = 2e4
"""


@record
class Random(Memoryless):
    def act(self, key, carry, insight):
        return carry, Decision(action=Box(LOW, HIGH, (2,)).sample(key), aux=())


@record
class Middle(Memoryless):
    """The best numbers of the mean cue."""

    def act(self, key, carry, insight):
        return carry, Decision(action=TargetWorld().best_action(jnp.zeros(())), aux=())


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    before = dict(registry.systems())
    policies = {"random": ("rule", lambda _: Random()), "middle": ("rule", lambda _: Middle())}
    ew.register_system(plain_system("target", TargetWorld, TargetParams, policies))
    path = tmp_path_factory.mktemp("target") / "target.toml"
    path.write_text(SCENARIO)
    yield str(path)
    registry._systems = before


def test_the_probe_is_a_world_and_its_best_numbers_earn_nothing_less_than_all():
    world, params = TargetWorld(), TargetParams(horizon_slots=jnp.float32(8))
    check_world(world, params)
    x = world.inputs(params).into(cue=jnp.float32(0.4))
    state = world.reset(params, x)
    # cue 0.4: the target is (2.2, 1.1); (2, 2) misses it by 0.2 and 0.9: -(0.04 + 0.81)
    assert float(world.step(params, state, jnp.array([2.2, 1.1]), x).reward) == pytest.approx(0.0)
    assert float(world.step(params, state, jnp.array([2.0, 2.0]), x).reward) == pytest.approx(-0.85)


def test_the_learners_that_fit_are_those_with_numbers(scenario):
    assert set(ew.list_learners(scenario)) == {*FITTING, *PLANNERS}


@pytest.mark.parametrize("learner", FITTING)
def test_every_learner_that_fits_trains_and_learns_something(scenario, learner):
    run = ew.train(scenario, learner, steps=2e4)
    rows = {row["policy"]: row for row in ew.compare(scenario, ["random"]).rows}
    reward = run.result["reward"]["mean"]
    assert np.isfinite(reward)
    assert reward > rows["random"]["reward"] + 0.1
    assert run.result["gap_closed"] is None  # the world has no bound


def test_it_is_exported_and_decides_as_the_run_does(scenario, tmp_path):
    run = ew.train(scenario, "ppo", steps=4e3)
    bundle = run.export(tmp_path / "numbers.edge")
    answers = np.array([bundle.decide({"cue": cue})["action"] for cue in (-0.9, 0.0, 0.9)])
    assert np.all((answers >= LOW) & (answers <= HIGH))
    assert len(np.unique(answers, axis=0)) == 3
    rows = {row["policy"]: row for row in ew.compare(scenario, [run, bundle.path]).rows}
    (name,) = set(rows) - {"ppo", "random", "middle"}
    assert rows[name]["reward"] == pytest.approx(rows["ppo"]["reward"], abs=1e-5)
