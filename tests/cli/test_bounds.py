"""``edgewright bounds`` as a user meets it."""

import json

import pytest
from click.testing import CliRunner

from edgewright.cli.bounds_command import command
from edgewright.core.errors import InputError
from edgewright.core.sealed import SCHEMA, read_json

KINDS = ("feasible", "exact", "hindsight", "bound")


def test_the_toy_between_what_is_reached_and_what_bounds_it(tmp_path):
    short = tmp_path / "short.toml"
    short.write_text(
        'schema = 1\nextends = "aigc-toy"\nname = "short"\ntitle = "Short"\n'
        "[params]\nhorizon_slots = 12\n"
    )
    arguments = [str(short), "--episodes", "2", "--out", str(tmp_path / "b"), "--json"]
    done = CliRunner(catch_exceptions=False).invoke(command, arguments)
    found = json.loads(done.stdout)
    assert {**found, "schema": SCHEMA} == read_json(tmp_path / "b/result.json", "result")
    (row,) = found["scenarios"]
    assert {entry["kind"] for entry in row["entries"]} == set(KINDS)
    assert all(e["low"] <= e["mean"] <= e["high"] for e in row["entries"])
    below = [e["mean"] for e in row["entries"] if e["kind"] != "bound"]
    above = [e["mean"] for e in row["entries"] if e["kind"] == "bound"]
    assert row["reached"] == max(below) <= min(above) == row["limit"]
    for ending in ("svg", "png", "pdf"):
        assert (tmp_path / f"b/bounds.{ending}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("binary-easy", "the optimum of a scenario of 'binary' cannot be bounded"),
        ("aigc-trace", "give --data FOLDER"),
    ],
)
def test_a_scenario_without_bounds_is_refused_before_the_work(name, said, monkeypatch):
    monkeypatch.delenv("EDGEWRIGHT_DATA", raising=False)
    monkeypatch.setattr("edgewright.papers.bounds.scenario_bounds", None)
    with pytest.raises(InputError, match=said):
        CliRunner(catch_exceptions=False).invoke(command, ["aigc-toy", name])


def test_rules_of_caching_are_below_their_bound():
    result = CliRunner().invoke(command, ["caching-toy", "--episodes", "2", "--json"])
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["scenarios"]
    entries = {one["name"]: one for one in row["entries"]}
    assert {"random", "bound"} <= set(entries)
    assert len(entries) > 3
    best = max(one["mean"] for name, one in entries.items() if name != "bound")
    assert entries["random"]["mean"] < best <= entries["bound"]["mean"] + 1e-5
