"""All seeds of a run become one network that decides like their mean."""

from __future__ import annotations

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.bundle import load
from edgewright.compress import distil
from edgewright.compress.ensemble import mean_of
from edgewright.core.errors import InputError
from edgewright.deploy import best_seed, distil_seeds, rollouts
from edgewright.deploy import export_distilled as module
from edgewright.deploy.subject import WHOLE, subject_of
from edgewright.evaluation.validation import training_rewards
from edgewright.export.layers import run as scores_of
from edgewright.export.networks import layers_of
from edgewright.scenarios.load import load as load_scenario
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import Request, load_run, train

SMALL = {
    "evaluation.episodes": 4,
    "params.horizon_slots": 30,
    "evaluation.reference": "greedy",
    "evaluation.baseline": "random",
    "training.evaluations": 1,
    "learner.hidden_sizes": [16],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("distilled") / "a"
    train(Request(load_scenario("aigc-heavy", SMALL), "dqn", 3000, 3), out)
    return out


@pytest.fixture(scope="module", autouse=True)
def short_lessons():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distil, "STEPS", 800)
        patch.setattr(rollouts, "GAMES", 8)
        made, distilled = {}, module.distil_seeds

        def once(problem, policies, head, widths, **options):
            if widths not in made:
                made[widths] = distilled(problem, policies, head, widths, **options)
            return made[widths]

        patch.setattr(module, "distil_seeds", once)
        yield


@pytest.fixture(scope="module")
def written(run):
    out = run.parent / "p.edge"
    return out, module.export_distilled(run, out, (24,), min_gain_kept=0.1)


def networks(run):
    loaded = load_run(run)
    policies = [loaded.trainer.deployable(one, None).greedy for one in loaded.trainings]
    return loaded, policies


def test_the_network_is_one_and_decides_like_the_mean_of_the_seeds(run, written):
    out, done = written
    bundle, facts = load(out), done.facts
    dense = [one for one in bundle.facts["graphs"]["policy"]["layers"] if one["kind"] == "dense"]
    assert len(dense) == 2
    assert bundle.facts["lineage"][0]["stage"] == "distil:24 of 3 seeds"
    assert "3 seeds distilled" in bundle.name
    assert bundle.facts["provenance"]["seeds"] == 3
    assert facts["gain_kept_low"] >= done.gate["min_gain_kept"] == 0.1
    assert len(facts["seed_rewards"]) == 3
    assert facts["reward_change"] == pytest.approx(
        facts["reward"] - facts["teacher_reward"], abs=1e-6
    )
    loaded, policies = networks(run)
    params = loaded.problem.params
    rows = np.random.default_rng(0).permutation(_met(run))[:2000]
    each = [
        np.asarray(scores_of(layers_of(one, params, distil_seeds.NO_FIELDS), jnp.asarray(rows)))
        for one in policies
    ]
    wanted = np.mean(each, axis=0).argmax(axis=-1)
    given = bundle.engine.many(rows)["action"].reshape(-1)
    alike = np.mean(given == wanted)
    singly = [np.mean(one.argmax(axis=-1) == wanted) for one in each]
    assert alike > max(*singly, 0.8), (alike, singly)
    assert facts["agreement"][-1] > 0.8


def _met(run):
    """Return observations that the first seed meets."""
    subject = subject_of(run, 0, WHOLE)
    problem, world = subject.problem, subject.problem.world
    columns = world.observation_space(problem.params).shape[-1]
    return rollouts.watch(world, problem, subject.policy, columns, 9)


def test_the_mean_of_networks_is_that_of_their_scores(run):
    loaded, policies = networks(run)
    layers = [layers_of(one, loaded.problem.params, distil_seeds.NO_FIELDS) for one in policies]
    rows = jnp.asarray(_met(run)[:50])
    expected = np.mean([np.asarray(scores_of(one, rows)) for one in layers], axis=0)
    mean = mean_of(layers, rows.shape[-1])
    np.testing.assert_allclose(scores_of(mean, rows), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="as many scores"):
        mean_of([layers[0], layers[1][:-2]], rows.shape[-1])


def test_nothing_is_written_where_too_little_of_the_gain_is_kept(run, edgewright):
    out = run.parent / "q.edge"
    done = edgewright(
        "export", run, "--distil", "24", "--min-gain-kept", "1.9", "--out", out, code=1
    )
    assert "nothing was written" in done.stderr
    assert not out.exists()


def test_the_best_seed_is_chosen_on_training_inputs(run, edgewright):
    out = run.parent / "b.edge"
    done = json.loads(edgewright("export", run, "--seed", "best", "--out", out, "--json").stdout)
    loaded, policies = networks(run)
    entries = [PolicyEntry.learned("", one, loaded.plan.world) for one in policies]
    plan = loaded.request.scenario.evaluation
    rewards = training_rewards(entries, loaded.problem, plan)
    assert done["training_rewards"] == pytest.approx(rewards)
    assert done["seed"] == int(np.argmax(rewards))
    assert load(out).facts["provenance"]["seed"] == done["seed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--distil", "0x8"), "widths must be whole numbers from 1 to 4096"),
        (("--distil", "8", "--seed", "1"), "--seed: must go without --distil"),
        (("--distil", "8", "--amortise"), "--distil: must go without --amortise"),
        (("--seed", "beste"), "hint: give the number of a seed, e.g. 0, or best"),
        (("--min-gain-kept", "0.5"), "only --amortise and --distil"),
    ],
)
def test_wrong_options_are_refused_with_a_remedy(run, edgewright, options, words):
    out = run.parent / "no.edge"
    done = edgewright("export", run, *options, "--out", out, code=2)
    assert words in " ".join(done.stderr.split())
    assert "hint" in done.stderr
    assert not out.exists()


def test_no_seed_of_a_run_with_tasks_is_the_best(run, monkeypatch):
    loaded = load_run(run)
    tasks = dataclasses.replace(loaded, problem=dataclasses.replace(loaded.problem, tasks=(1, 2)))
    monkeypatch.setattr(best_seed, "load_run", lambda *_: tasks)
    with pytest.raises(InputError, match="a scenario without tasks") as caught:
        best_seed.best_seed(run)
    assert caught.value.where == "--seed"


def test_one_seed_has_no_mean(run):
    subject = subject_of(run, 0, WHOLE)
    alone = dataclasses.replace(subject.run, trainings=subject.run.trainings[:1])
    with pytest.raises(InputError, match="the run has one seed"):
        module.networks_of(dataclasses.replace(subject, run=alone))
