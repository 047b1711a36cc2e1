"""The file of the log: ours or untouched, one service each, for its owner, kept for so long."""

import contextlib
import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import urllib.request

import pytest

from edgewright.client import Client, ServiceError
from edgewright.core.errors import InputError
from edgewright.serve.log import DecisionLog, Entry
from edgewright.serve.settings import Keep


def entry(number, at=0.0):
    return Entry(f"aaaaaaaaaaaa-{number:x}", at, "v", "policy", {"x": 1}, {"action": 0}, ())


def ids_in(file):
    with contextlib.closing(sqlite3.connect(file)) as database:
        return {row[0] for row in database.execute("SELECT id FROM decisions")}


def until(true):
    for _ in range(1000):
        if true():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come to that")


def foreign(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


FOREIGN = {
    "another program's": ["CREATE TABLE decisions (id INTEGER, what TEXT)"],
    "with our number of a schema": ["CREATE TABLE t (x)", "PRAGMA user_version = 3"],
    "another application's": ["CREATE TABLE t (x)", "PRAGMA application_id = 7"],
    "in a write-ahead log": ["PRAGMA journal_mode = WAL", "CREATE TABLE t (x)"],
    "of our number, with other columns": [
        "CREATE TABLE decisions (id, what)",
        f"PRAGMA application_id = {int.from_bytes(b'EdgW')}",
        "PRAGMA user_version = 3",
    ],
}


def content_of(folder):
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}


@pytest.mark.parametrize("kind", [*FOREIGN, "a text", "a short text"])
def test_a_file_that_is_no_log_is_refused_as_it_was(tmp_path, kind):
    file = tmp_path / "log.db"
    if kind in FOREIGN:
        foreign(file, *FOREIGN[kind])
    else:
        file.write_text("note\n" * (1 if "short" in kind else 2000))
    before, mode = content_of(tmp_path), file.stat().st_mode
    with pytest.raises(InputError, match="log"):
        DecisionLog(file, 5)
    if "columns" not in kind:  # that one says that it is ours
        assert (content_of(tmp_path), file.stat().st_mode) == (before, mode)


def test_a_pipe_is_no_log(tmp_path):
    os.mkfifo(tmp_path / "log.db")
    with pytest.raises(InputError, match="regular file"):
        DecisionLog(tmp_path / "log.db", 5)


def test_the_command_refuses_a_foreign_file_before_it_says_that_it_is_ready(bundles, tmp_path):
    foreign(tmp_path / "other.db", *FOREIGN["another program's"])
    before = content_of(tmp_path)
    done = command(bundles, "--log", str(tmp_path / "other.db"))
    assert (done.returncode, "http://" in done.stderr) == (2, False)
    assert "not a decision log" in done.stderr
    assert content_of(tmp_path) == before


def command(bundles, *options):
    words = [sys.executable, "-m", "edgewright.cli.main", "serve", str(bundles["se-ppo"])]
    words += ["--port", "0", *options]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--log-sync"], "add --log FILE"),
        (["--log-keep", "9"], "add --log FILE"),
        (["--log", "x.db", "--log-keep", "0"], "too small"),
        (["--log", "x.db", "--log-keep", "many"], "whole number"),
    ],
)
def test_options_of_the_log_that_say_nothing_are_refused(bundles, options, word):
    done = command(bundles, *options)
    assert (done.returncode, word in done.stderr) == (2, True), done.stderr


def test_a_second_service_on_one_log_is_refused_until_the_first_ends(
    serve, bundles, tmp_path, observation
):
    log, other = tmp_path / "log.db", tmp_path / "other-name.db"
    with serve(bundles["se-ppo"], "--log", str(log)) as service:
        other.symlink_to(log)
        for name in (log, other):
            done = command(bundles, "--log", str(name))
            assert (done.returncode, "another service" in done.stderr) == (2, True), done.stderr
        with Client(service.url) as client:
            client.outcome(client.decide(observation)["id"], reward=1.0)
    DecisionLog(log, 5).close()


def test_the_log_is_for_its_owner_only(tmp_path):
    file = tmp_path / "log.db"
    before = os.umask(0)
    try:
        log = DecisionLog(file, 5)
    finally:
        os.umask(before)
    log.add(entry(1))
    until(lambda: log.written)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"log.db", "log.db-wal", "log.db-shm"} <= set(modes)
    log.close()
    file.chmod(0o644)  # e.g. a copy that was put back
    DecisionLog(file, 5).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_log_that_was_killed_is_opened_again(tmp_path):
    code = (
        "import os, sys, pathlib; from edgewright.serve.log import DecisionLog, Entry\n"
        "log = DecisionLog(pathlib.Path(sys.argv[1]), 5)\n"
        "log.add(Entry('aaaaaaaaaaaa-1', 0.0, 'v', 'policy', {}, {}, ()))\n"
        "while not log.written: pass\n"
        "os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "log.db")], check=False)
    assert (tmp_path / "log.db-wal").exists()
    log = DecisionLog(tmp_path / "log.db", 5)
    log.add(entry(2))
    assert log.close() == 0
    assert ids_in(tmp_path / "log.db") == {entry(1).id, entry(2).id}


@pytest.mark.parametrize(
    ("keep", "left"), [(Keep(decisions=3), {7, 8, 9}), (Keep(days=1), {8, 9}), (None, {*range(10)})]
)
def test_what_is_no_longer_kept_is_deleted_with_its_outcome(tmp_path, monkeypatch, keep, left):
    monkeypatch.setattr("edgewright.serve.log.TRIM_EVERY_S", 0.0)
    monkeypatch.setattr("edgewright.serve.store.TRIMMED_AT_ONCE", 2)
    monkeypatch.setattr("edgewright.serve.log.time.time", lambda: 1000.0 + 9.5 * 43_200)
    log = DecisionLog(tmp_path / "log.db", 100, keep=keep)
    for number in range(10):
        log.add(entry(number, at=1000.0 + number * 43_200))
    wanted = {entry(number).id for number in left}
    until(lambda: log.written == 10 and ids_in(tmp_path / "log.db") == wanted)
    assert log.close() == 0
    assert ids_in(tmp_path / "log.db") == wanted


def test_a_decision_waits_for_the_disk_where_it_must(serve, bundles, observation, tmp_path):
    log = tmp_path / "log.db"
    with (
        serve(bundles["se-ppo"], "--log", str(log), "--log-sync") as service,
        Client(service.url) as client,
    ):
        for _ in range(5):
            decision = client.decide(observation)
            assert decision["log"] == "written"
            assert decision["id"] in ids_in(log)
        many = client.decide_many([observation] * 3)
        assert {one["id"] for one in many} <= ids_in(log)
        before = ids_in(log)
        with contextlib.closing(sqlite3.connect(log)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(ServiceError, match=r"503.*nothing was decided"):
                client.decide(observation)
            other.rollback()
        assert client.decide(observation)["log"] == "written"
        assert len(ids_in(log)) == len(before) + 1
        with urllib.request.urlopen(service.url + "/readyz") as answer:
            assert b'"waiting":0' in answer.read()


def test_rows_that_the_database_refuses_are_lost_and_said_so(tmp_path):
    log = DecisionLog(tmp_path / "log.db", 100)
    log.add(entry(1)._replace(observation={1: 2}))
    log.close()
    assert log.lost == 1


def test_who_waits_is_told_which_decisions_the_database_refused(tmp_path):
    log, told = DecisionLog(tmp_path / "log.db", 100, sync=True), []
    for one in (entry(1), entry(2)._replace(observation={1: 2}), entry(3)):
        first = log.taken
        log.add(one)
        log.wait_for(first, told.append)
    until(lambda: len(told) == 3)
    assert told == ["", "unwritten", ""]
    assert log.close() == 0
