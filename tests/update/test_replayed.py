"""Bundles of binary and of caching are updated from the log of a real service, behind a gate."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import sqlite3

import numpy as np
import pytest

from edgewright.bundle import load as load_bundle
from edgewright.client import Client
from edgewright.core.errors import InputError
from edgewright.deploy.export_run import export_run
from edgewright.deploy.subject import Part
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.load import load
from edgewright.scenarios.write import changed_scenario
from edgewright.serve.log_reader import DecisionLogReader
from edgewright.serve.log_table import LogTable
from edgewright.serve.process import running_service
from edgewright.systems.registry import system_of
from edgewright.training.runs import Request, train
from edgewright.update.calibrate import calibrated
from edgewright.update.log_parts import drift_of, read_parts
from edgewright.update.site import SimulatedSite, outcomes
from edgewright.update.update import GateClosed, UpdatePlan, update

BINARY = {
    "world.devices": 4,
    "params.horizon_slots": 40,
    "params.train_scenarios": 10,
    "evaluation.episodes": 4,
    "learner.num_candidates": 4,
    "learner.hidden_sizes": [16],
    "training.evaluations": 1,
}
CACHING = {
    "world.users": 4,
    "world.services": 3,
    "world.slots_per_epoch": 2,
    "params.service_mib": [4000.0, 6000.0, 8000.0],
    "params.input_mbit": [4.0, 12.0, 20.0],
    "params.work_gcycles": [0.3, 0.9, 1.6],
    "params.tolerance_s": [1.0, 2.0, 3.0],
    "params.cache_gib": 8.0,
    "params.epochs": 4,
    "streams.service": {"kind": "categorical", "probabilities": [0.9, 0.07, 0.03]},
    "evaluation.episodes": 12,
    "evaluation.baseline": "lfu+hit-root",
    "evaluation.reference": "lfu+hit-root",
    "learner.upper.hidden_sizes": [8],
    "learner.lower.hidden_sizes": [8],
    "training.evaluations": 1,
}
POPULAR = [0.03, 0.07, 0.9]
RUNS = {
    "binary": ("binary-easy", BINARY, "maml", 320),
    "caching": ("caching-es2", CACHING, "ddpg-ddpg", 2500),
}
BEFORE, AFTER = 90, 330


@pytest.fixture(scope="module", params=["binary", "caching"])
def deployed(request, tmp_path_factory):
    """Return kind, folder with a run and its bundle, and the scenario."""
    kind = request.param
    preset, settings, learner, steps = RUNS[kind]
    folder = tmp_path_factory.mktemp(kind)
    scenario = load(preset, settings)
    train(Request(scenario, learner, steps, 1), folder / "run")
    export_run(folder / "run", folder / "p.edge")
    return kind, folder, scenario


def sites(kind, scenario):
    """Return the world before and after a change: another task, or another popularity."""
    if kind == "binary":
        problem = build(scenario)
        parts = [problem.only(0), problem.only(1)]
    else:
        law = {"streams.service": {"kind": "categorical", "probabilities": POPULAR}}
        parts = [build(scenario), build(changed_scenario(scenario, law, "test"))]
    worlds = [world_of_learner(RUNS[kind][2], part) for part in parts]
    return [SimulatedSite(part, world, 1) for part, world in zip(parts, worlds, strict=True)]


def rows_of(log):
    with DecisionLogReader(log) as reader:
        return list(reader.rows())


@pytest.fixture(scope="module")
def closed(deployed, edgewright):
    """Return all that a loop over real sockets left behind: log, results of commands, versions."""
    kind, folder, scenario = deployed
    served, log, first = folder / "p.edge", folder / "log.db", load_bundle(folder / "p.edge")
    explore = ("--explore", "0.4") if kind == "binary" else ()
    before, after = sites(kind, scenario)
    serving = running_service(served, log, *explore)
    with serving as url, Client(url, timeout_s=60.0, name="site") as client:
        list(outcomes(before, client, first.interface, BEFORE))
        list(outcomes(after, client, first.interface, AFTER))
        if kind == "binary":
            asked = ("--log", log, "--json")
            share = BEFORE / (BEFORE + AFTER)
            drift = json.loads(edgewright("drift", *asked, "--split", share).stdout)
            given = ("--run", folder / "run", "--out", served, "--newest", AFTER, "--steps", 60)
            result = json.loads(edgewright("update", served, *asked, *given).stdout)
        else:  # the same without another process
            drift = drift_of(*read_parts(log, None, BEFORE / (BEFORE + AFTER)), 0.01).facts()
            plan = UpdatePlan(
                served, log, folder / "run", served, folder / "work", 2500.0, newest=AFTER
            )
            result = update(plan)
        while client.policy()["version"] != result["version"]:
            pass
        list(outcomes(after, client, first.interface, 1))
    return kind, folder, drift, result, rows_of(log)


def test_the_loop_closes_over_real_sockets(closed, edgewright):
    kind, folder, drift, result, rows = closed
    new = load_bundle(folder / "p.edge")
    assert drift["alarm"] and result["gate"]["passed"] and new.version == result["version"]
    assert rows[-1].policy == new.version and rows[0].policy == result["from"]
    (stage,) = new.facts["lineage"]
    assert (stage["stage"], stage["from"]) == ("update", rows[0].policy)
    assert result["simulation"]["difference_low"] > 0
    assert result["agreement"] > 0.95
    if kind == "caching":
        fitted = stage["calibration"]["streams.service"]["probabilities"]
        assert fitted == pytest.approx(POPULAR, abs=0.05)
        assert "input_user_mbit" in [one["name"] for one in drift["fields"] if one["alarm"]]
    back = json.loads(edgewright("rollback", folder / "p.edge", "--json").stdout)
    assert back["to"] == result["from"]
    edgewright("rollback", folder / "p.edge.history" / f"{new.version}.edge", code=2)


@pytest.fixture
def plan(closed, write_log, tmp_path):
    """Return what makes the plan of an update from the rows of a log."""
    _, folder, _, result, rows = closed
    logged = [row for row in rows if row.policy == result["from"]][-AFTER:]
    number = itertools.count()

    def make(change=lambda rows: rows, **options):
        return UpdatePlan(
            bundle=folder / "p.edge.history" / f"{result['from']}.edge",
            log=write_log(change(logged), tmp_path / f"log-{next(number)}.db"),
            run=folder / "run",
            out=tmp_path / "new.edge",
            work=tmp_path / "work",
            steps=1.0,
            **options,
        )

    return make


def inverted(rows):
    return [dataclasses.replace(row, reward=-row.reward) for row in rows]


def absurd(rows):
    wrong = np.random.default_rng(0).random(len(rows)) < 0.05
    return [
        dataclasses.replace(row, reward=1e5) if bad else row
        for row, bad in zip(rows, wrong, strict=True)
    ]


@pytest.mark.parametrize(
    ("poison", "message"),
    [(inverted, "log and simulator agree|absurd"), (absurd, "absurd outcomes is 0.0")],
)
def test_a_poisoned_log_gets_nothing_through(poison, message, plan, tmp_path):
    with pytest.raises(GateClosed, match=message):
        update(plan(poison))
    assert not (tmp_path / "new.edge").exists()


def test_clients_that_lie_are_left_out(closed, plan):
    if closed[0] != "binary":
        pytest.skip("one client decides for all users of a caching site")

    def crowd(rows, liars=3):
        return [
            dataclasses.replace(
                row, client=f"front-{n % 8}", reward=-row.reward if n % 8 < liars else row.reward
            )
            for n, row in enumerate(rows)
        ]

    with pytest.raises(GateClosed, match="clients that report otherwise is 0.37"):
        update(plan(crowd))
    with pytest.raises(GateClosed) as error:  # one step of tuning gains too little, or nothing
        update(plan(lambda rows: crowd(rows, 1), max_loss=-1.0))
    assert error.value.evidence.trust.lying == ("front-0",)
    assert "held-out log" in [one.name for one in error.value.evidence.gate.failed]


def test_a_small_log_is_refused(plan):
    with pytest.raises(InputError, match="must hold 100 decisions"):
        update(plan(newest=60))


def test_rewards_of_logged_decisions_are_those_of_the_world(closed, deployed):
    kind, folder, _, result, rows = closed
    scenario = deployed[2]
    logged = [row for row in rows if row.policy == result["from"]][:BEFORE]
    problem = sites(kind, scenario)[0].problem
    replay = system_of(kind).replay
    expected = replay.reward(problem, LogTable(logged))
    known = np.isfinite(expected)
    assert known.mean() > 0.95
    reward = np.array([row.reward for row in logged])
    np.testing.assert_allclose(expected[known], reward[known], rtol=2e-3, atol=1e-4)


def test_a_bundle_of_one_level_is_refused(closed, plan, tmp_path):
    kind, folder, *_ = closed
    if kind != "caching":
        pytest.skip("policies of binary have one level")
    upper = tmp_path / "upper.edge"
    export_run(folder / "run", upper, part=Part(level="upper"))
    with pytest.raises(InputError, match="must hold the whole policy of a run") as error:
        update(dataclasses.replace(plan(), bundle=upper))
    assert str(upper) in str(error.value) and "ddpg-ddpg" in error.value.hint
    assert not (tmp_path / "new.edge").exists()


def test_a_binary_scenario_with_empty_places_is_not_fitted(closed):
    kind, _, _, result, rows = closed
    if kind != "binary":
        pytest.skip("only tasks of binary have empty places")
    logged = LogTable([row for row in rows if row.policy == result["from"]])
    masked = load("binary-easy", {**BINARY, "world.masked": True})
    with pytest.raises(InputError, match="a log of one task with all its devices is needed"):
        calibrated(masked, logged, "log.db")
    assert calibrated(load("binary-easy", BINARY), logged, "log.db")[1].fits


WRONG = {
    "empty": ("DELETE FROM outcomes; DELETE FROM decisions", "got none"),
    "another schema": ("PRAGMA user_version = 2", "the log has schema 2"),
    "outcomes alone": ("DELETE FROM decisions WHERE rowid_is", "must have its decision; got 1"),
    "back in time": ("UPDATE decisions SET at = -50 WHERE rowid_is", "must not go backwards"),
    "another bundle": ("UPDATE decisions SET policy = 'other'", "decisions of the bundle"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_update_refuses_a_wrong_log_and_leaves_it(name, closed, plan, tmp_path, edgewright):
    if closed[0] != "binary":
        pytest.skip("the reader is the same for all systems")
    given, (statements, message) = plan(), WRONG[name]
    last = "id = (SELECT id FROM decisions ORDER BY at DESC, id DESC LIMIT 1)"
    with contextlib.closing(sqlite3.connect(given.log)) as database:
        database.executescript(statements.replace("rowid_is", last))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = hashlib.sha256(given.log.read_bytes()).hexdigest()
    asked = ("--log", given.log, "--run", given.run, "--out", given.out)
    said = edgewright("update", given.bundle, *asked, code=2)
    assert message in said.stderr and str(given.log) in said.stderr and "hint: " in said.stderr
    assert not said.stdout and not given.out.exists()
    assert hashlib.sha256(given.log.read_bytes()).hexdigest() == before
