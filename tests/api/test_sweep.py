"""A sweep: a tidy table, and nothing is trained twice."""

import csv
import json

import pytest

import edgewright as ew

TINY = [
    "params.horizon_slots=20", "evaluation.episodes=8", "learner.num_envs=2",
    "learner.rollout_steps=32", "learner.hidden_sizes=[8]",
]  # fmt: skip


def test_every_combination_is_a_row_with_an_interval_and_a_curve(edgewright, tmp_path):
    out = tmp_path / "s"
    command = [
        "sweep", "aigc-heavy", "--learner", "se-ppo,a2c", "--grid", "learner.entropy_coef=0,1e4",
        "--seeds", "2", "--steps", "3200", "--processes", "0", "--out", out, "--json",
        *[part for text in [*TINY, "learner.batch_size=32"] for part in ("--set", text)],
    ]  # fmt: skip
    rows = json.loads(edgewright(*command).stdout)["rows"]
    keys = [(row["learner"], row["learner.entropy_coef"]) for row in rows]
    assert keys == [("se-ppo", 0), ("se-ppo", 1e4), ("a2c", 0), ("a2c", 1e4)]
    assert all(row["reward_low"] <= row["reward"] <= row["reward_high"] for row in rows)
    assert rows[0]["reward"] != rows[1]["reward"]  # the setting changes the result
    with open(out / "sweep.csv") as file:
        assert [row["learner"] for row in csv.DictReader(file)] == [key for key, _ in keys]
    assert (out / "curves.svg").exists()
    results = {file: file.stat().st_mtime_ns for file in (out / "results").iterdir()}
    assert json.loads(edgewright(*command).stdout)["rows"] == rows
    assert results == {file: file.stat().st_mtime_ns for file in (out / "results").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "learner.clip_eps"], "KEY=V1,V2"),
        (["--grid", "learner.clip=0.1"], "'clip' is called 'clip_eps' now"),
        (["--learner", "se-pppo"], "se-ppo"),
    ],
)
def test_wrong_input_is_refused_before_any_training(edgewright, tmp_path, arguments, message):
    out = tmp_path / "s"
    assert message in edgewright("sweep", "aigc-heavy", "--out", out, *arguments, code=2).stderr
    assert not out.exists()


def test_a_sweep_needs_a_learner(tmp_path):
    with pytest.raises(ew.InputError, match="learners must not be empty"):
        ew.sweep("aigc-heavy", [], tmp_path)
