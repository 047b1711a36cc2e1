"""From a training to a file that decides, by the commands a user types."""

import json

import pytest

from edgewright.bundle import load
from edgewright.core.errors import InputError
from edgewright.deploy.export_run import export_run
from edgewright.scenarios.load import load as load_scenario
from edgewright.training.runs import Request, train

SMALL = {
    "evaluation.episodes": 6,
    "params.horizon_slots": 40,
    "evaluation.reference": "rollout-2",
    "evaluation.baseline": "local-2",  # worse than what is trained here in seconds
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "a"
    train(Request(load_scenario("aigc-heavy", SMALL), "se-ppo", 4e4, 1), out)
    return out


@pytest.fixture(scope="module")
def exported(run, edgewright):
    path = run.parent / "p.edge"
    done = edgewright("export", run, "--out", path, "--json")
    return path, json.loads(done.stdout)


def test_export_says_what_it_wrote_and_inspect_checks_it(exported, edgewright):
    path, said = exported
    bundle = load(path)
    assert said["version"] == bundle.version
    assert said["bytes"] == path.stat().st_size
    shown = json.loads(edgewright("inspect", path, "--json").stdout)
    assert shown["version"] == bundle.version
    assert shown["provenance"]["learner"] == "se-ppo"
    assert shown["scenario"]["params"]["horizon_slots"] == 40
    text = edgewright("inspect", path).stdout
    assert "charge_pct" in text
    assert "Mbit/s" in text


def test_export_adds_a_graph_for_litert(run, exported, tmp_path, edgewright):
    done = edgewright("export", run, "--out", tmp_path / "l.edge", "--litert", "--json")
    said = json.loads(done.stdout)
    assert "litert" in said["runtimes_here"]
    assert said["graph"]["lite"]["bytes"] > 1000
    text = edgewright("inspect", tmp_path / "l.edge").stdout
    assert "for LiteRT" in text
    assert "litert" not in edgewright("inspect", exported[0]).stdout
    asked = {
        f.name: f.choices[0] if f.choices else f.low for f in load(exported[0]).interface.fields
    }
    assert load(tmp_path / "l.edge").decide(asked) == load(exported[0]).decide(asked)


def test_fields_have_the_bounds_of_the_quantity_and_say_what_training_met(exported):
    fields = {field.name: field for field in load(exported[0]).interface.fields}
    assert fields["input_mb"].unit == "MB"
    assert fields["input_mb"].trained == (10.0, 25.0)
    for name in ("input_mb", "bandwidth_mbps", "local_backlog_gcycles"):
        assert (fields[name].low, fields[name].high) == (0.0, None)
    assert (fields["charge_pct"].low, fields["charge_pct"].high) == (0.0, 100.0)
    assert (fields["phase"].low, fields["phase"].high) == (0.0, 1.0)
    assert fields["mode"].choices == ("preview", "balanced", "best")
    low, high = fields["bandwidth_mbps"].trained
    assert 50.0 <= low < high <= 150.0
    assert fields["local_backlog_gcycles"].trained[1] > 20.0


def test_a_seed_that_is_not_there_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="no seed 3"):
        export_run(run, tmp_path / "b.edge", seed=3)


def test_compress_reports_every_stage_and_the_gate_decides(exported, tmp_path, edgewright):
    path, _ = exported
    out = tmp_path / "small.edge"
    stages = ["compress", path, "--stages", "prune:0.25,int8", "--json", "--out", out]
    figure = ["--figure", tmp_path / "fig", "--min-gain-kept", "0.5"]
    found = json.loads(edgewright(*stages, *figure).stdout)
    parent, pruned, int8 = found["stages"]
    assert parent["score_ratio"] == parent["gain_kept"] == 1.0
    assert parent["agreement"] == 1.0
    assert pruned["multiply_adds"] < 0.7 * parent["multiply_adds"]
    assert int8["bytes"] < pruned["bytes"] < parent["bytes"]
    assert int8["precision"] == "int8"
    for row in found["stages"]:
        for name in ("score_ratio", "gain_kept"):
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
        assert row["gap_closed"]["low"] <= row["gap_closed"]["share"] <= 1.0
        assert 0 < row["p50_us"] <= row["p99_us"]
        assert row["batch_rows_per_s"] > 0
        assert 0 <= row["agreement"] <= 1
    assert found["gate"]["passed"]
    assert load(out).version == found["version"]
    assert [stage["stage"] for stage in load(out).facts["lineage"]] == [
        "prune:0.25",
        "int8",
    ]
    assert (tmp_path / "fig" / "pareto.png").exists()

    again = edgewright(
        "compress", out, "--stages", "int8", "--json", "--min-gain-kept", "1.9",
        "--out", tmp_path / "none.edge", code=1,
    )  # fmt: skip
    refused = json.loads(again.stdout)
    assert not refused["gate"]["passed"]
    assert refused["out"] is None
    assert "nothing was written" in again.stderr
    assert not (tmp_path / "none.edge").exists()


WRONG = [
    (["export", "greedy", "--scenario", "aigc-heavy", "--litert", "--out", "x.edge"], "leave them"),
    (["export", "nowhere", "--out", "x.edge"], "with its scenario"),
    (["export", "greedy", "--scenario", "aigc-heavi", "--out", "x.edge"], "did you mean"),
    (["inspect", "nowhere.edge"], "cannot be read"),
    (["serve", "nowhere.edge"], "cannot be read"),
    (["compress", "nowhere.edge", "--stages", "prune:0.5"], "cannot be read"),
    (["compress", "nowhere.edge", "--stages", "prune:1.5"], "between 0 and 1"),
    (["compress", "nowhere.edge", "--stages", "int9"], "did you mean 'int8'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_input_gets_one_message_and_exit_code_2(arguments, message, tmp_path, edgewright):
    done = edgewright(*arguments, code=2)
    assert message in done.stderr
    assert done.stdout == ""
