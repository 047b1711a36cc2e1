"""An update passes the gate where it should, and poisoned logs get nothing through it."""

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from edgewright.bundle import load as load_bundle
from edgewright.bundle.history import rollback
from edgewright.core.errors import CheckFailed, InputError
from edgewright.deploy.export_run import export_run
from edgewright.evaluation.statistics import Interval
from edgewright.rules.off_policy import reward_model
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import build_learner, world_of_learner
from edgewright.scenarios.load import load
from edgewright.scenarios.write import changed_scenario
from edgewright.serve.log_table import LogTable
from edgewright.training.runs import Request, load_run, train
from edgewright.training.warm_start import warm_started
from edgewright.update.estimates import (
    OffPolicyValue,
    PolicyComparison,
    ValueInterval,
    compare_policies,
)
from edgewright.update.gate import explained, gate, trust_gate
from edgewright.update.late import agrees_with_metrics
from edgewright.update.samples import greedy_law, samples_of
from edgewright.update.simulate import simulated_log
from edgewright.update.trust import Trust, robust_deviation, trusted
from edgewright.update.update import GateClosed, UpdatePlan, divided, update

SETTINGS = {
    "params.horizon_slots": 40,
    "evaluation.episodes": 24,
    "learner.hidden_sizes": [16, 16],
    "training.evaluations": 1,
}
CHANGES = {
    "params.server_ghz": [6.0, 16.0],
    "params.background_utilisation": [0.75, 0.3],
    "streams.bandwidth_mbps": {
        "kind": "reflected_walk",
        "low": 15.0,
        "high": 60.0,
        "step_std": 4.0,
    },
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """Return the folder of a run and the file of its bundle."""
    folder = tmp_path_factory.mktemp("deployed")
    scenario = load("aigc-heavy", SETTINGS)
    train(Request(scenario, "se-ppo", 2e4, 1), folder / "run")
    export_run(folder / "run", folder / "p.edge")
    return folder


@pytest.fixture(scope="module")
def rows(deployed, edge_of):
    """Return what a service logged in front of a world that changed."""
    world = changed_scenario(load("aigc-heavy", SETTINGS), CHANGES, "test")
    bundle = load_bundle(deployed / "p.edge")
    return simulated_log(edge_of(world, 32), bundle, slots=100, explore="own", seed=3)


@pytest.fixture
def plan(deployed, rows, write_log, tmp_path):
    """Return what makes the plan of an update with the rows of a log."""

    def make(logged=rows, **options):
        return UpdatePlan(
            bundle=deployed / "p.edge",
            log=write_log(logged, tmp_path / "log.db"),
            run=deployed / "run",
            out=tmp_path / "new.edge",
            work=deployed / "work",
            steps=2e4,
            **options,
        )

    return make


def test_an_update_passes_and_says_in_its_lineage_what_it_is_from(plan, tmp_path, deployed):
    result = update(plan())
    new, old = load_bundle(tmp_path / "new.edge"), load_bundle(deployed / "p.edge")
    assert result["gate"]["passed"] and result["version"] == new.version
    (stage,) = new.facts["lineage"]
    assert (stage["stage"], stage["from"]) == ("update", old.version)
    assert stage["calibration"]["params.server_ghz"] == pytest.approx([6.0, 16.0], rel=0.05)
    assert 3168 <= stage["log"]["decisions"] <= 3200 and stage["gate"]["passed"]
    assert new.facts["provenance"]["samples"] == "softmax"
    assert result["simulation"]["difference_low"] > 0
    again = load_run(deployed / "work").request
    assert again.start and again.scenario.params.server_ghz == pytest.approx([6, 16], rel=0.05)
    journal = (tmp_path / "new.edge.history" / "journal.jsonl").read_text()
    assert json.loads(journal)["to"] == new.version


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        ("inverted", "log and simulator agree"),
        ("absurd", "absurd outcomes"),
        ("late", "late outcomes is 0.05"),
        ("many lie", "clients that report otherwise"),
    ],
)
def test_a_poisoned_log_gets_nothing_through(poison, message, plan, poisoned, rows, tmp_path):
    with pytest.raises(CheckFailed, match=message):
        update(plan(poisoned(poison, rows)))
    assert not (tmp_path / "new.edge").exists()


def test_late_outcomes_leave_the_worst_candidate_refused(deployed, rows, poisoned):
    """The condition on the held-out log alone refuses it, whatever the share of late outcomes."""
    bundle = load_bundle(deployed / "p.edge")
    samples = samples_of(LogTable(poisoned("late", rows)), bundle, "log")
    sound, trust = trusted(samples, 9, agrees_with_metrics(bundle, samples.table))
    held_out = divided(sound)[1]
    model = reward_model(held_out.logged, 9, np.ones((1, len(held_out.rows))))[0]
    worst = int(np.argmin(np.mean(held_out.logged.features @ model.T, axis=0)))
    laws = np.tile(np.eye(9)[worst], (len(held_out.rows), 1)), greedy_law(bundle, held_out.rows)
    comparison = compare_policies(held_out.logged, *laws, resamples=200)
    better = Interval(0.1, 0.05, 0.2, 0.95)
    judged = gate(
        trust_gate(trust, 0.9), comparison, robust_deviation(held_out.logged.reward), better
    )
    assert [one.name for one in judged.failed] == ["late outcomes", "held-out log"]


def test_one_client_that_lies_is_left_out(rows, deployed, poisoned):
    bundle = load_bundle(deployed / "p.edge")
    lying = poisoned("one lies", rows)
    honest = trusted(samples_of(LogTable(rows), bundle, "log"), 9)[1]
    kept, trust = trusted(samples_of(LogTable(lying), bundle, "log"), 9)
    assert honest.lying == () and trust.lying == ("copy-7",)
    assert trust.absurd <= 0.01 and len(kept.rows) <= len(rows) - 100


def test_a_candidate_without_the_gain_that_is_asked_for_does_not_pass(plan, tmp_path):
    with pytest.raises(GateClosed, match="held-out log is") as error:
        update(plan(max_loss=-1.0))
    assert [one.name for one in error.value.evidence.gate.failed] == ["held-out log"]
    assert not (tmp_path / "new.edge").exists()


@pytest.mark.parametrize(
    ("logged", "simulated", "failed"),
    [
        (0.01, 0.02, []),
        (-0.04, 0.02, []),
        (-0.06, 0.02, ["held-out log"]),
        (0.01, -0.01, ["simulation"]),
        (-0.06, 0.0, ["held-out log", "simulation"]),
    ],
)
def test_every_condition_can_close_the_gate(logged, simulated, failed):
    value = OffPolicyValue({}, 500.0, 0.0, 1.0)
    difference = {"doubly_robust": ValueInterval(logged + 0.1, logged, logged + 0.2)}
    comparison = PolicyComparison(900, ValueInterval(0, 0, 0), value, value, difference)
    sound = trust_gate(Trust(0.0, (), 0.0, False), 0.9)
    gap = Interval(simulated + 0.1, simulated, simulated + 0.2, 0.95)
    judged = gate(sound, comparison, 0.5, gap)
    assert [one.name for one in judged.failed] == failed and judged.passed == (not failed)
    if failed:
        assert "hint: " in explained(judged)


def test_nothing_is_learned_from_what_cannot_be():
    names = [
        [one.name for one in trust_gate(trust, likeness).failed]
        for trust, likeness in (
            (Trust(0.02, (), 0.0, False), 0.9),
            (Trust(0.0, (), 0.0, False, 0.03), 0.9),
            (Trust(0.0, ("a",), 0.3, False), 0.9),
            (Trust(0.0, (), 0.0, True), 0.4),
        )
    ]
    assert names == [
        ["absurd outcomes"], ["late outcomes"], ["clients that report otherwise"],
        ["log and simulator agree"],
    ]  # fmt: skip


def test_a_log_without_exploring_is_refused(plan, rows):
    certain = [dataclasses.replace(row, propensity=1.0) for row in rows]
    with pytest.raises(InputError, match="no other action had a chance"):
        update(plan(certain))


def test_a_small_log_is_refused(plan, rows):
    with pytest.raises(InputError, match="must hold 100 decisions"):
        update(plan(rows, newest=60))


def test_the_run_must_be_that_of_the_bundle(plan, deployed):
    with pytest.raises(InputError, match="must be the one that"):
        update(dataclasses.replace(plan(), run=deployed / "work"))


def test_a_warm_start_has_the_old_weights_and_a_fresh_schedule(deployed):
    run = load_run(deployed / "run")
    old = run.trainings[0]
    fresh = run.trainer.init_training(jax.random.key(5))
    started = warm_started(fresh, old)
    for ours, theirs in zip(
        jax.tree.leaves(started.learner.networks),
        jax.tree.leaves(old.learner.networks),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert float(started.learner.steps) == 0 and float(old.learner.steps) > 0
    with pytest.raises(InputError, match="cannot begin with earlier weights"):
        warm_started(dataclasses.replace(fresh, learner=3), old)
    small = jax.tree.map(lambda leaf: leaf[..., :3], old.learner.networks)
    other = dataclasses.replace(old, learner=dataclasses.replace(old.learner, networks=small))
    with pytest.raises(InputError, match="the sizes of 'networks'"):
        warm_started(fresh, other)


def test_the_recommended_learner_begins_with_old_weights_and_its_guide_anew():
    scenario = load("aigc-heavy", SETTINGS)
    problem = build(scenario)
    world = world_of_learner("all-action-guided", problem)
    learner = build_learner("all-action-guided", scenario, problem, 2e4).learner
    spaces = world.observation_space(problem.params), world.action_space(problem.params)
    first, fresh = (learner.init(jax.random.key(seed), *spaces) for seed in (0, 1))
    old = SimpleNamespace(learner=dataclasses.replace(first, steps=first.steps + 2e4))

    @dataclasses.dataclass
    class Training:
        learner: Any

    started = warm_started(Training(fresh), old).learner
    assert float(started.steps) == 0
    for ours, theirs in zip(
        jax.tree.leaves(started.inner.networks), jax.tree.leaves(first.inner.networks), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(InputError, match="cannot begin with earlier weights"):
        warm_started(Training(fresh), SimpleNamespace(learner=first.inner))


def test_the_commands_update_in_place_and_roll_back(
    plan, rows, poisoned, write_log, tmp_path, edgewright
):
    given, file = plan(), tmp_path / "served.edge"
    before = given.bundle.read_bytes()
    file.write_bytes(before)
    asked = ("update", file, "--log", given.log, "--run", given.run, "--work", given.work)
    asked += ("--steps", "2e4", "--out", file)
    assert "gate" in edgewright(*asked).stdout
    version = load_bundle(file).version
    back = json.loads(edgewright("rollback", file, "--json").stdout)
    assert back["from"] == version and file.read_bytes() == before
    with pytest.raises(InputError, match="not made by an update"):
        rollback(file)
    newer = tmp_path / "served.edge.history" / f"{version}.edge"
    with pytest.raises(InputError, match="is not there"):
        rollback(newer)
    with pytest.raises(InputError, match="must be the bundle"):
        rollback(newer, newer)
    assert rollback(newer, file)["to"] == back["to"]
    (tmp_path / "log.db").unlink()
    write_log(poisoned("inverted", rows), tmp_path / "log.db")
    done = edgewright(*asked, "--json", code=1)
    assert not json.loads(done.stdout)["gate"]["passed"] and "hint: look" in done.stderr
