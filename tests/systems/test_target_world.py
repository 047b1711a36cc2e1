"""A world with real numbers for actions, with every learner that fits, from training to file."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import edgewright as ew
from edgewright.core.errors import InputError
from edgewright.core.records import Decision, Memoryless, record
from edgewright.core.spaces import Box
from edgewright.deploy.subject import WHOLE, subject_of
from edgewright.export.drawing import deployed
from edgewright.nets.actions import from_units
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
    "all-action-sampled",
    "ddpg",
    "td3",
    "sac",
    "dmsac",
    "edmsac",
)

STEPS = dict.fromkeys(("ddpg", "td3", "sac", "dmsac", "edmsac"), 4e3)
"""Those that learn from every step need fewer of them."""

VARIANTS = (
    "se-ppo-pruned",
    "dmsac-eps",
    "dmsac-paper",
    "dmsac-small",
    "edmsac-rate",
    "edmsac-group",
    "dmsac-group",
    "dmsac-random",
    "dmsac-one-shot",
)
"""Settings of those above, which are tested one by one with their class."""
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
    assert set(ew.list_learners(scenario)) == {*FITTING, *VARIANTS, *PLANNERS}


@pytest.fixture(scope="module")
def by_chance(scenario):
    """Reward per slot of random numbers."""
    rows = {row["policy"]: row for row in ew.compare(scenario, ["random"]).rows}
    return rows["random"]["reward"]


@pytest.mark.parametrize("learner", FITTING)
def test_every_learner_that_fits_trains_and_learns_something(scenario, by_chance, learner):
    run = ew.train(scenario, learner, steps=STEPS.get(learner, 2e4))
    reward = run.result["reward"]["mean"]
    assert np.isfinite(reward)
    assert reward > by_chance + 0.1
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


@pytest.mark.parametrize("learner", ["sac", "dmsac", "edmsac"])
def test_what_is_left_to_chance_comes_from_a_seed_in_the_request(scenario, tmp_path, learner):
    settings = {"hidden_sizes": [16, 16], "critic_hidden_sizes": [16], "total_steps": 2560.0}
    settings |= {"num_candidates": 3} if learner == "dmsac" else {}
    problem = ew.make(scenario, {f"learner.{name}": value for name, value in settings.items()})
    run = ew.train(problem, learner, steps=2560, out=str(tmp_path / "run"))
    bundle = run.export(tmp_path / "numbers.edge")  # reading it back compares the parity rows
    names = [field.name for field in bundle.interface.fields]
    if learner == "sac":
        assert names == ["cue"]  # a Gaussian answers with its mean
        return
    assert names == ["cue", "seed"]
    draws = 5 * 2 * (3 if learner == "dmsac" else 1)
    assert bundle.interface.columns == 1 + draws
    ask = [bundle.decide({"cue": 0.3, "seed": seed})["action"] for seed in (7, 7, 8)]
    np.testing.assert_array_equal(ask[0], ask[1])
    assert not np.allclose(ask[0], ask[2], atol=1e-7)
    with pytest.raises(InputError, match="seed: the field is missing"):
        bundle.decide({"cue": 0.3})
    for wrong in (-1, 0.5, 2**32, "one"):
        with pytest.raises(InputError, match="cannot be a seed"):
            bundle.decide({"cue": 0.3, "seed": wrong})
    policy = deployed(subject_of(tmp_path / "run", 0, WHOLE).policy)
    widths = [bias.size for bias in policy.actor.network.biases[:-1]]
    assert widths == ([8, 8] if learner == "edmsac" else [16, 16])
    rows = bundle.interface.rows([{"cue": cue, "seed": 3} for cue in np.linspace(-1, 1, 256)])
    shape = (policy.candidates, 256, 5, 2)
    noise = jnp.moveaxis(jnp.asarray(rows[:, 1:]).reshape(256, shape[0], 5, 2), 0, 1)
    units = policy.best_of(policy.inputs(jnp.asarray(rows[:, :1])), noise)
    found = bundle.engine.many(rows)["action"]
    near = np.abs(found - from_units(policy.actor.space, units)).max(axis=1) < 1e-4
    assert near.mean() > (0.95 if policy.candidates > 1 else 0.999)  # two may be as good
    facts = bundle.facts["graphs"]["policy"]
    assert facts["multiply_adds"] > 5 * policy.actor.network.weights[1].size
