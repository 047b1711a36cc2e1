"""The log keeps what it took in, in the file of that name, and says what it could not write."""

import contextlib
import sqlite3
import threading
from pathlib import Path

import pytest

from edgewright.core.errors import InputError
from edgewright.serve import store
from edgewright.serve.log import UNKNOWN, DecisionLog, Entry, Report


def entry(number):
    return Entry(f"aaaaaaaaaaaa-{number:x}", 0.0, "v", "policy", {"x": 1}, {"action": 0}, ())


def test_a_log_that_cannot_write_keeps_what_it_took_and_counts_what_it_drops(tmp_path):
    log = DecisionLog(tmp_path / "log.db", most_waiting=5)
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        taken = [log.add(entry(number)) for number in range(8)]
        assert taken == [True] * 5 + [False] * 3
        assert log.dropped == 3
        for _ in range(200):
            if log.failures:
                break
            threading.Event().wait(0.05)
        assert log.failures
        assert log.waiting == 5
        other.rollback()
    assert log.close() == 0
    assert log.written == 5


def ids_in(file):
    with contextlib.closing(sqlite3.connect(file)) as database:
        decisions = {row[0] for row in database.execute("SELECT id FROM decisions")}
        return decisions, {row[0] for row in database.execute("SELECT decision FROM outcomes")}


def test_a_row_that_the_database_refuses_is_dropped_and_the_others_are_written(tmp_path):
    log, told = DecisionLog(tmp_path / "log.db", most_waiting=100), []
    log.add(entry(1))
    until(lambda: log.written)
    for one in (entry(1)._replace(at=9.0), entry(2)._replace(observation={1: 2}), entry(3)):
        log.add(one)
    log.report(Report(entry(3).id, 0.0, 1.0, {}, told.append))
    until(lambda: told)
    assert told == [""]
    assert (log.waiting, log.dropped, log.written, log.failures) == (0, 2, 3, 0)
    assert entry(2).id in log.last_refused
    assert log.alive
    assert log.close() == 0
    assert ids_in(tmp_path / "log.db") == ({entry(1).id, entry(3).id}, {entry(3).id})


def test_a_row_that_was_written_by_a_try_that_seemed_to_fail_is_no_second_one(tmp_path):
    log = DecisionLog(tmp_path / "log.db", most_waiting=100)
    log.add(entry(1))
    until(lambda: log.written)
    log.add(entry(1))
    log.add(entry(2))
    assert log.close() == 0
    assert log.dropped == 0
    assert ids_in(tmp_path / "log.db")[0] == {entry(1).id, entry(2).id}


@pytest.mark.parametrize("how", ["unlinked", "moved", "replaced"])
def test_what_is_acknowledged_is_in_the_file_that_has_the_name(tmp_path, how):
    file, told = tmp_path / "log.db", []
    log = DecisionLog(file, most_waiting=100)
    log.add(entry(1))
    until(lambda: log.written)
    if how == "replaced":
        DecisionLog(tmp_path / "other.db", most_waiting=1).close()
        (tmp_path / "other.db").replace(file)
    elif how == "moved":
        file.rename(tmp_path / "old.db")
    else:
        for one in tmp_path.glob("log.db*"):
            one.unlink()
    log.add(entry(2))
    log.report(Report(entry(2).id, 0.0, 1.0, {}, told.append))
    until(lambda: told)
    assert told == [""]
    assert ids_in(file) == ({entry(2).id}, {entry(2).id})
    if how == "moved":
        assert ids_in(tmp_path / "old.db") == ({entry(1).id}, set())
    assert log.close() == 0


def test_a_file_that_goes_while_it_is_written_is_written_again(tmp_path, monkeypatch):
    file, told, insert = tmp_path / "log.db", [], store._row
    log = DecisionLog(file, most_waiting=100)

    def gone(one):
        monkeypatch.setattr(store, "_row", insert)
        file.unlink()
        return insert(one)

    monkeypatch.setattr(store, "_row", gone)
    log.add(entry(1))
    until(lambda: log.written)
    assert log.failures == 1
    log.report(Report(entry(1).id, 0.0, 1.0, {}, told.append))
    until(lambda: told)
    assert (told, ids_in(file)) == ([""], ({entry(1).id}, {entry(1).id}))
    assert log.close() == 0


def test_an_outcome_waits_for_its_decision_behind_a_backlog(tmp_path, monkeypatch):
    monkeypatch.setattr("edgewright.serve.log.MAX_AT_ONCE", 2)
    log, told = DecisionLog(tmp_path / "log.db", most_waiting=100), []
    for number in range(9):
        assert log.add(entry(number))
    log.report(Report(entry(8).id, 0.0, 1.0, {}, told.append))
    log.report(Report("nobody's", 0.0, 1.0, {}, told.append))
    assert log.close() == 0
    assert told == ["", UNKNOWN]
    assert log.written == 10


def test_an_outcome_is_written_though_decisions_keep_coming(tmp_path, monkeypatch):
    monkeypatch.setattr("edgewright.serve.log.MAX_AT_ONCE", 2)
    log, told = DecisionLog(tmp_path / "log.db", most_waiting=1000), []
    for number in range(20):
        log.add(entry(number))
    log.report(Report(entry(3).id, 0.0, 1.0, {}, told.append))
    for number in range(20, 500):
        log.add(entry(number))
    until(lambda: told)
    assert told == [""]
    assert log.waiting > 100  # so it did not wait for the queue to be empty
    log.close()


def test_an_outcome_behind_a_backlog_is_refused_when_the_disk_fails(tmp_path, monkeypatch):
    monkeypatch.setattr("edgewright.serve.log.MAX_AT_ONCE", 2)
    log, told = DecisionLog(tmp_path / "log.db", most_waiting=100), []
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(9):
            log.add(entry(number))
        log.report(Report(entry(8).id, 0.0, 1.0, {}, told.append))
        until(lambda: told)
        assert told == ["unwritten"]
        assert log.waiting == 9
        other.rollback()
    assert log.close() == 0


def until(true, client_timeout_s=10.0):
    """Wait until something is true, or give up."""
    for _ in range(round(client_timeout_s / 0.01)):
        if true():
            return
        threading.Event().wait(0.01)


def test_a_log_of_another_schema_or_place_is_refused(tmp_path):
    DecisionLog(tmp_path / "log.db", 5).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(InputError, match="schema 9"):
        DecisionLog(tmp_path / "log.db", 5)
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", "nul\0"):
        with pytest.raises(InputError, match="cannot be opened"):
            DecisionLog(Path(place), 5)
