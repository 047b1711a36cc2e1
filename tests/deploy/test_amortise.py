"""A run with a planner becomes a network that decides like it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgewright.bundle import load
from edgewright.compress import distil
from edgewright.core.errors import InputError
from edgewright.deploy import amortise as module
from edgewright.deploy.amortise import amortise
from edgewright.deploy.export_amortised import export_amortised
from edgewright.deploy.export_run import export_run
from edgewright.deploy.subject import WHOLE, Part, planners, subject_of
from edgewright.scenarios.load import load as load_scenario
from edgewright.training.runs import Request, train
from edgewright.update.update import UpdatePlan, update

SMALL = {
    "evaluation.episodes": 6,
    "params.epochs": 2,
    "evaluation.reference": "spread+hit",  # the exact optimum takes a while
    "learner.upper.hidden_sizes": [8],
    "learner.upper.learning_starts": 5,
    "learner.lower.hidden_sizes": [8],
    "learner.lower.reward_hidden_sizes": [8],
    "learner.lower.num_candidates": 16,
    "learner.lower.num_elites": 4,
    "learner.lower.plan_iterations": 2,
    "learner.lower.ensemble_size": 2,
    "learner.lower.learning_starts": 50,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("amortised") / "h2"
    train(Request(load_scenario("caching-toy", SMALL), "hadrl", 400, 1), out)
    return out


@pytest.fixture(scope="module", autouse=True)
def short_lessons():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distil, "STEPS", 400)
        patch.setattr(module, "WIDTHS", (32,))
        yield


@pytest.fixture(scope="module")
def written(run):
    out = run.parent / "p.edge"
    return out, export_amortised(run, out, decisions=512)


def test_a_planner_is_refused_with_the_command_that_makes_a_network(run, edgewright):
    out = run.parent / "q.edge"
    done = edgewright("export", run, "--out", out, code=2)
    assert "a planner searches before every decision" in done.stderr
    assert f"edgewright export {run} --amortise --out {out}" in done.stderr.replace("\n", "")
    assert not out.exists()
    with pytest.raises(InputError, match="a planner searches") as refused:
        export_run(run, out, part=Part(level="lower"))
    assert "--level lower --amortise" in refused.value.hint


def test_the_upper_level_is_exported_as_it_is(run, tmp_path):
    bundle = export_run(run, tmp_path / "u.edge", part=Part(level="upper"))
    assert [output.name for output in bundle.interface.outputs] == ["cache", "cached"]
    assert {f.name.split("_")[0] for f in bundle.interface.fields} == {"cached", "demand"}
    with pytest.raises(InputError, match="the option is for planners"):
        export_amortised(run, tmp_path / "u.edge", part=Part(level="upper"))


def test_the_bundle_names_the_ratio_of_scores_and_times(written):
    out, done = written
    bundle, facts = load(out), done.facts
    assert [o.name for o in bundle.interface.outputs] == ["cache", "server", "cached"]
    ratio = bundle.facts["scores"].get("score_ratio", {"estimate": np.nan})
    np.testing.assert_equal(ratio["estimate"], facts["score_ratio"])
    assert bundle.facts["lineage"] == [{"stage": "amortise:512", "from": bundle.name}]
    assert facts["decision_ms"] < facts["planner_decision_ms"]
    assert abs(facts["reward_change"] - (facts["reward"] - facts["planner_reward"])) < 1e-5


def test_the_planner_is_asked_in_states_of_both(written):
    rounds = written[1].facts["rounds"]
    assert [one["played_by"] for one in rounds] == ["planner", *["student"] * 3]
    # Of six steps one places services, in which the planner decides nothing.
    assert [one["steps"] for one in rounds] == [160, 320, 480, 640]
    assert [one["decisions"]["lower"] for one in rounds] == [128, 256, 384, 512]
    assert all(0 <= one["distance"]["lower"] < 0.6 for one in rounds[1:])


def test_a_network_learns_what_a_planner_does(run):
    subject = subject_of(run, 0, WHOLE)
    assert set(planners(subject.policy)) == {"lower"}
    made = amortise(subject.problem, subject.policy, decisions=2048, widths=(32,))
    assert planners(made.policy) == {} and len(made.rows) == 2560
    assert made.rounds[-1]["decisions"] == {"lower": 2112}
    first, last = (made.rounds[n]["distance"]["lower"] for n in (1, -1))
    assert last < 0.35 and last < first + 0.1  # at random: 0.5


def test_the_bundle_plays_in_a_comparison(written, edgewright):
    sets = [part for key, value in SMALL.items() if not key.startswith("learner") for part in
            ("--set", f"{key}={value}")]  # fmt: skip
    done = edgewright("compare", "caching-toy", "--policies", written[0], *sets, "--json")
    rows = {row["policy"]: row for row in json.loads(done.stdout)["policies"]}
    reward = rows[str(written[0])]["reward"]
    assert reward == pytest.approx(written[1].facts["reward"], abs=1e-4)


def test_an_update_refuses_a_network_that_decides_like_a_planner(run, written, tmp_path):
    bundle, out = written[0], tmp_path / "new.edge"
    before = bundle.read_bytes()
    plan = UpdatePlan(bundle, tmp_path / "log.db", run, out, tmp_path / "work")
    with pytest.raises(InputError, match="must hold the whole policy of a run") as error:
        update(plan)
    assert str(bundle) in str(error.value) and "ddpg-ddpg" in error.value.hint
    assert not out.exists() and bundle.read_bytes() == before


def test_the_gate_writes_nothing_where_the_planner_gains_nothing(run, tmp_path, edgewright):
    out = tmp_path / "g.edge"
    with pytest.raises(InputError, match="must earn more than"):
        export_amortised(run, out, decisions=64, min_gain_kept=0.9)
    assert not out.exists()
    done = edgewright("export", run, "--out", out, "--decisions", "9", code=2)
    assert "add --amortise" in done.stderr
    done = edgewright("export", run, "--out", out, "--amortise", "--litert", code=2)
    assert "leave one of them out" in done.stderr
