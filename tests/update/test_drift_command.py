"""``edgewright drift`` finds a change in a log, and says where."""

import contextlib
import hashlib
import json
import sqlite3

import numpy as np
import pytest

from edgewright.serve.store import Entry, Report, Store


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Return a log whose bandwidth and rewards fall half-way."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("drift") / "log.db"
    entries, reports = [], []
    for n in range(800):
        id = f"aaaaaaaaaaaa-{n:x}"
        observed = {"bandwidth_mbps": 100 - 30 * (n >= 400) + rng.normal(), "mode": "best"}
        entries.append(Entry(id, float(n), "v1", "policy", observed, {"action": 0}, (), 1.0))
        reward = rng.normal() - (n >= 400)
        reports.append(Report(id, n + 0.5, reward, {}, lambda text: None))
    store = Store(path)
    store.write(entries, reports)
    store.close()
    return path


def test_a_change_is_found_and_written_as_metrics(log, tmp_path, edgewright):
    out = tmp_path / "drift.prom"
    said = edgewright("drift", "--log", str(log), "--json", "--metrics", str(out)).stdout
    result = json.loads(said)
    assert result["alarm"] and [f["name"] for f in result["fields"] if f["alarm"]] == [
        "bandwidth_mbps"
    ]
    assert result["reward"]["direction"] == "down"
    assert "edgewright_drift_alarm 1\n" in out.read_text()
    assert 'field="bandwidth_mbps"' in out.read_text()


def test_the_older_part_alone_did_not_change(log, edgewright):
    said = edgewright("drift", "--log", str(log)).stdout
    assert "changed" in said and "an update is due" in said
    other = edgewright("drift", "--log", str(log), "--reference", str(log), "--check").stdout
    assert "no change was shown" in other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--split", "0.999"), "both parts must hold 50 decisions or more; got 1"),
        (("--split", "1"), "must be above 0 and below 1"),
        (("--rate", "often"), "must be a number; got 'often'"),
    ],
)
def test_wrong_options_are_refused(options, message, log, edgewright):
    assert message in edgewright("drift", "--log", str(log), *options, code=2).stderr


WRONG = {
    "no decisions": ("DELETE FROM outcomes; DELETE FROM decisions", "got none"),
    "another schema": ("PRAGMA user_version = 2", "the log has schema 2"),
    "outcomes alone": ("DELETE FROM decisions WHERE at < 5", "must have its decision; got 5"),
    "back in time": ("UPDATE decisions SET at = -50 WHERE at = 9", "must not go backwards"),
}


@pytest.mark.parametrize("name", WRONG)
def test_commands_refuse_a_wrong_log_and_leave_it(name, log, tmp_path, edgewright):
    statements, message = WRONG[name]
    path = tmp_path / "log.db"
    path.write_bytes(log.read_bytes())
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(statements)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    out = ("--out", tmp_path / "new.toml")
    for asked in (
        ("log", "check", path),
        ("drift", "--log", path),
        ("calibrate", "--log", path, "--scenario", "aigc-heavy", *out),
    ):
        said = edgewright(*asked, code=2).stderr
        assert message in said and str(path) in said and "hint: " in said
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert not (tmp_path / "new.toml").exists()
