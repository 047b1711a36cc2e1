"""Trainings: resumable to the same weights, seeds that matter, runs that are guarded."""

import dataclasses
import os
import shutil

import jax
import numpy as np
import pytest

from edgewright.core.errors import CheckFailed, InputError
from edgewright.core.sealed import SCHEMA, read_json, write_json
from edgewright.evaluation.compare import compare
from edgewright.evaluation.comparison_table import table
from edgewright.evaluation.score_run import finish
from edgewright.scenarios.load import load
from edgewright.training import checkpoint, store
from edgewright.training.runs import Request, load_run, train

SMALL = {
    "evaluation.episodes": 6,
    "params.horizon_slots": 40,
    "evaluation.reference": "rollout-2",
    "learner.rollout_steps": 16,
    "learner.epochs": 2,
}
STEPS = 24 * 256  # 24 iterations of 16 copies and 16 steps


def request(learner="se-ppo", seeds=2, steps=STEPS, **extra):
    return Request(load("aigc-heavy", {**SMALL, **extra}), learner, float(steps), seeds)


class Killed(BaseException):
    """What a kill looks like from inside."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    return out, train(request(), out)


def weights(out):
    return [jax.tree.leaves(t.learner.networks) for t in load_run(out).trainings]


def test_a_killed_run_resumes_to_the_same_weights(run, tmp_path, monkeypatch):
    out, _ = run
    monkeypatch.setattr("edgewright.training.seed.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    seen = []

    def kill(steps, fresh, seconds, reward):
        seen.append(steps)
        if steps > STEPS:  # about half of both seeds
            raise Killed

    with pytest.raises(Killed):
        train(request(), tmp_path / "killed", kill)
    with pytest.raises(InputError, match=r"stopped after|no checkpoint"):
        load_run(tmp_path / "killed")
    steps = []
    train(request(), tmp_path / "killed", lambda done, *_: steps.append(done))
    assert 0 < steps[1] <= 2 * STEPS  # it did not start again from nothing
    for whole, resumed in zip(weights(out), weights(tmp_path / "killed"), strict=True):
        for a, b in zip(whole, resumed, strict=True):
            np.testing.assert_array_equal(a, b)
    for seed in range(2):
        log, again = (
            checkpoint.read_log(folder / f"seed-{seed}", "evaluation")
            for folder in (out, tmp_path / "killed")
        )
        assert log == again


def test_another_seed_gives_other_weights(run):
    first, second = weights(run[0])
    assert any(np.any(a != b) for a, b in zip(first, second, strict=True))


def test_logs_hold_what_they_should(run):
    out, timing = run
    rows = checkpoint.read_log(out / "seed-0", "metrics")
    assert rows[-1]["iteration"] == 24
    assert rows[-1]["steps"] == STEPS
    assert {"policy_loss", "value_loss", "entropy", "reward"} <= set(rows[0])
    judged = checkpoint.read_log(out / "seed-0", "evaluation")
    assert len(judged) == 20
    assert {"reward", "delay_s", "energy_j", "quality", "episode_length"} <= set(judged[0])
    assert timing["steps_per_s"] > 0
    assert timing["env_steps"] == 2 * STEPS


def test_a_scenario_says_how_often_a_training_is_scored(tmp_path):
    scenario = load("aigc-toy", {"training.evaluations": 3, "evaluation.episodes": 2})
    train(Request(scenario, "dqn", 900.0, 1, None, 0), tmp_path / "run")
    rows = checkpoint.read_log(tmp_path / "run" / "seed-0", "evaluation")
    assert len(rows) == 3
    assert rows[-1]["steps"] >= 900
    with pytest.raises(InputError, match="evaluations"):
        load("aigc-toy", {"training.evaluations": 0})


def test_the_last_judgement_is_what_the_run_is_scored_with(run):
    out, timing = run
    result = finish(request(), out, timing)
    last = [checkpoint.read_log(out / f"seed-{s}", "evaluation")[-1] for s in range(2)]
    assert result["reward"]["mean"] == pytest.approx(np.mean([r["reward"] for r in last]), abs=1e-6)
    assert read_json(out / "result.json", "result") == {**result, "schema": SCHEMA}


def test_a_folder_of_another_run_is_refused_and_kept(run):
    out, _ = run
    before = (out / "run.json").read_bytes()
    for other in (request("ppo"), request(steps=2 * STEPS), request(**{"params.slot_s": 0.25})):
        with pytest.raises(InputError, match="the folder holds another run"):
            train(other, out)
    assert (out / "run.json").read_bytes() == before


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not empty and is not a run"):
        train(request(), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_fewer_seeds_are_refused_and_a_copied_checkpoint_too(run, tmp_path):
    out, _ = run
    with pytest.raises(InputError, match="none is dropped"):
        train(request(seeds=1), out)
    shutil.copytree(out, tmp_path / "copy")
    source = out / "seed-0" / "checkpoint.npz"
    shutil.copy(source, tmp_path / "copy" / "seed-1" / "checkpoint.npz")
    with pytest.raises(InputError, match="of seed 0, not of seed 1"):
        load_run(tmp_path / "copy")


def test_misspelt_evaluation_and_settings_that_diverge_keep_what_was_there(tmp_path):
    with pytest.raises(InputError, match="unknown policy 'greddy'"):
        train(request(**{"evaluation.baseline": "greddy"}), tmp_path / "typo")
    assert not (tmp_path / "typo").exists()
    with pytest.raises(CheckFailed, match="is not finite"):
        train(request(seeds=1, **{"learner.critic_learning_rate": 1e30}), tmp_path / "diverges")


def test_two_processes_cannot_train_into_one_folder(run):
    out, _ = run
    with store.locked(out), pytest.raises(InputError, match="another process"):
        train(request(), out)


def test_another_recording_is_another_run(tmp_path):
    for name, level in (("d", 50), ("e", 60)):
        (tmp_path / name / "bandwidth").mkdir(parents=True)
        for file in "abc":
            rows = "".join(f"{t}\t{level + t % 7}\n" for t in range(100))
            (tmp_path / name / "bandwidth" / f"{file}.txt").write_text(rows)
    line = {"kind": "recorded_bandwidth", "folder": "bandwidth"}
    scenario = load("aigc-heavy", {**SMALL, "streams.bandwidth_mbps": line})
    first = Request(scenario, "se-ppo", 256.0, 1, str(tmp_path / "d"))
    train(first, tmp_path / "run")
    with pytest.raises(InputError, match="its recordings is"):
        train(dataclasses.replace(first, data=str(tmp_path / "e")), tmp_path / "run")
    (tmp_path / "d").rename(tmp_path / "moved")
    train(dataclasses.replace(first, data=str(tmp_path / "moved")), tmp_path / "run")


def test_more_seeds_are_added_to_a_run(run, tmp_path):
    out, _ = run
    old = weights(out)
    train(request(seeds=3), out)
    new = weights(out)
    assert len(new) == 3
    for a, b in zip(jax.tree.leaves(old), jax.tree.leaves(new[:2]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_plays_in_other_scenarios_of_its_sizes_only(run):
    out, _ = run
    small = {k: v for k, v in SMALL.items() if not k.startswith("learner")}
    found = table(compare(load("aigc-calibrated", small), [str(out)]))
    names = [row["policy"] for row in found["policies"]]
    assert sorted(names) == ["greedy", "random", "rollout-2", "se-ppo"]
    with pytest.raises(InputError, match="trained with 2 servers"):
        compare(load("aigc-light", small), [str(out)])


def test_comparison_is_on_identical_inputs_and_repeats():
    small = {k: v for k, v in SMALL.items() if not k.startswith("learner")}
    scenario = load("aigc-heavy", small)
    first, second = (table(compare(scenario, ["greedy", "random"])) for _ in range(2))
    assert first == second
    other = dataclasses.replace(
        scenario, evaluation=dataclasses.replace(scenario.evaluation, seed=99)
    )
    assert table(compare(other, ["greedy"])) != first
    for row in first["policies"]:
        assert row["reward"] <= first["bound"]["reward"] + 1e-6
    row = next(row for row in first["policies"] if row["policy"] == "rollout-2")
    assert row["score"] == pytest.approx(1.0)


def rewritten(out, **changes):
    """Edit ``run.json`` as somebody would who writes its hash anew."""
    content = read_json(out / "run.json", "run")
    scenario = {**content["scenario"], **changes.pop("scenario", {})}
    write_json(out / "run.json", {**content, "scenario": scenario, **changes})


def test_a_request_that_was_edited_is_refused(run, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(run[0], out)
    path = out / "run.json"
    path.write_text(path.read_text().replace('"learner": "se-ppo"', '"learner": "ppo"'))
    with pytest.raises(InputError, match="does not match its hash"):
        load_run(out)
    scenario = read_json(run[0] / "run.json", "run")["scenario"]
    server = {"params": {**scenario["params"], "server_ghz": [15.0, 15.0]}}
    for edit, said in (
        ({"scenario": server}, "not the one that its identity is of"),
        ({"learner": "ppo"}, "of request|another structure"),
        ({"steps": STEPS / 2}, "of request"),
        ({"first_seed": 1}, "is missing|of request|not of seed"),
    ):
        shutil.copy(run[0] / "run.json", path)
        rewritten(out, **edit)
        with pytest.raises(InputError, match=said):
            load_run(out)


def test_no_mutation_of_a_run_is_believed(run, tmp_path):
    """Every changed, cut or removed byte is refused, or changes nothing that is read."""
    out = tmp_path / "copy"
    shutil.copytree(run[0], out)
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.suffix)
    rng = np.random.default_rng(0)
    first = weights(out)
    refused = 0
    for _ in range(int(os.environ.get("EDGEWRIGHT_MUTATIONS", "60"))):
        path = files[rng.integers(len(files))]
        whole = path.read_bytes()
        path.write_bytes(mutated(whole, rng))
        try:
            again = weights(out)
            for seed in range(2):
                for log in checkpoint.LOGS:
                    checkpoint.read_log(out / f"seed-{seed}", log)
        except InputError:
            refused += 1
        else:
            for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
                np.testing.assert_array_equal(a, b)
        path.write_bytes(whole)
    assert refused > 0


def mutated(whole, rng):
    """Return bytes with one bit changed, a part removed, doubled or overwritten, or cut."""
    at, size = int(rng.integers(len(whole))), int(rng.integers(1, 40))
    changes = (
        whole[:at] + bytes([whole[at] ^ (1 << rng.integers(8))]) + whole[at + 1 :],
        whole[:at] + whole[at + size :],
        whole[:at] + whole[at : at + size] + whole[at:],
        whole[:at] + rng.bytes(size) + whole[at + size :],
        whole[:at],
    )
    return changes[rng.integers(len(changes))]
