"""A log is read without a change, refused where it cannot be what happened, and exported."""

import contextlib
import hashlib
import json
import sqlite3
import subprocess
import sys

import pytest

from edgewright.core.errors import InputError
from edgewright.serve.log_export import export_log
from edgewright.serve.log_file import SCHEMA
from edgewright.serve.log_reader import DecisionLogReader
from edgewright.serve.store import Entry, Report, Store

RUN = "aaaaaaaaaaaa"


def entry(number, at=None, propensity=0.5, policy="v1", by="policy", decision=None):
    time = 100.0 + number if at is None else at
    observation = {"load": number, "mode": "best"} if number % 2 else {"load": 0.5 * number}
    return Entry(
        f"{RUN}-{number:x}", time, policy, by, observation, decision or {"action": number % 3}, (),
        propensity, "cell-1" if number % 2 else "",
    )  # fmt: skip


def report(number, reward=1.0, at=None, metrics=None):
    time = 100.5 + number if at is None else at
    return Report(f"{RUN}-{number:x}", time, reward, metrics or {"delay_s": 2.0}, lambda text: None)


@pytest.fixture
def log(tmp_path):
    """Return what writes a log and gives its path."""

    def write(entries, reports=(), *statements):
        path = tmp_path / "log.db"
        store = Store(path)
        store.write(entries, reports)
        store.close()
        with contextlib.closing(sqlite3.connect(path)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()
        (tmp_path / "log.db.lock").unlink()
        return path

    return write


def state(folder):
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}


def test_decisions_come_with_their_outcomes_in_order_and_nothing_changes(log, tmp_path):
    path = log([entry(2), entry(1), entry(3)], [report(1, -2.5), report(3)])
    before = state(tmp_path)
    with DecisionLogReader(path, bundle="v1") as reader:
        rows, facts = [*reader.rows()], reader.facts
        assert [*reader.rows()] == rows
    assert [int(row.id[-1]) for row in rows] == [1, 2, 3]
    assert [row.reward for row in rows] == [-2.5, None, 1.0]
    assert rows[0].metrics == {"delay_s": 2.0} and rows[1].metrics == {}
    assert [row.client for row in rows] == ["cell-1", "", "cell-1"]
    assert rows[0].observation == {"load": 1, "mode": "best"} and rows[0].propensity == 0.5
    assert rows[0].by_policy and (facts.decisions, facts.outcomes, facts.explored) == (3, 2, 3)
    assert facts.policies == {"v1": 3} and (facts.first_at, facts.last_at) == (101.0, 103.0)
    assert state(tmp_path) == before


def test_a_log_is_read_while_it_is_written(log, tmp_path):
    path = log([entry(1)])
    store = Store(path)
    store.write([entry(2)], [])
    with DecisionLogReader(path) as reader:
        assert len([*reader.rows()]) == 2
    store.write([entry(3)], [])
    store.close()
    with DecisionLogReader(path) as reader:
        assert reader.facts.decisions == 3


def test_the_file_states_its_schema(log):
    with contextlib.closing(sqlite3.connect(log([entry(1)]))) as database:
        facts = dict(database.execute("SELECT * FROM about"))
    assert facts["schema"] == str(SCHEMA) and facts["version"]


WRONG = {
    "no decisions": ([], [], [], "must hold decisions; got none"),
    "another schema": ([entry(1)], [], ["PRAGMA user_version = 2"], "schema 2, this version has"),
    "other columns": (
        [entry(1)], [], ["ALTER TABLE outcomes ADD COLUMN more"], "must have the columns",
    ),
    "an outcome without a decision": (
        [entry(1), entry(2)], [report(2)], [f"DELETE FROM decisions WHERE id = '{RUN}-2'"],
        f"must have its decision; got 1 without, first {RUN}-2",
    ),
    "decisions that go back": (
        [entry(9), entry(16, at=50.0)], [], [], f"decision {RUN}-10 is 59.0 s before",
    ),
    "an outcome before its decision": (
        [entry(1)], [report(1, at=50.0)], [], f"the outcome of {RUN}-1 is 51.0 s before",
    ),
    "no probability": ([entry(1, propensity=1.5)], [], [], "above 0 and at most 1; got 1.5"),
    "an endless reward": ([entry(1)], [report(1, 1e400)], [], "must be a finite number; got inf"),
    "another bundle": ([entry(1, policy="v2")], [], [], "of the bundle v1; got those of v2"),
    "a broken row": (
        [entry(1)], [], ["UPDATE decisions SET decision = '{'"], f"{RUN}-1 cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_log_that_cannot_be_is_refused_and_left_as_it_is(name, log, tmp_path):
    entries, reports, statements, message = WRONG[name]
    path = log(entries, reports, *statements)
    before = state(tmp_path)
    with (
        pytest.raises(InputError, match=message) as error,
        DecisionLogReader(path, bundle="v1") as reader,
    ):
        list(reader.rows())
    assert error.value.where == str(path) and error.value.hint
    assert state(tmp_path) == before


def test_small_steps_of_a_clock_and_foreign_names_are_taken(log):
    names = [entry(1), entry(2, at=100.5), entry(3)._replace(id="receipt")]
    with DecisionLogReader(log(names)) as reader:
        assert reader.facts.decisions == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "empty file"), (b"not a database" * 20, "not a decision log")],
)
def test_what_is_no_log_is_refused(content, message, tmp_path):
    path = tmp_path / "log.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        DecisionLogReader(path)
    assert [*tmp_path.iterdir()] == ([path] if content is not None else [])


def test_a_log_becomes_columns_of_their_types(log, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pip install edgewright[parquet]")
    mixed = [
        entry(1, decision={"action": 1, "menu": [[1, 2.5]]}),
        entry(2, propensity=None, decision={"action": 0, "menu": [[3, 4]], "odd": "text"}),
        entry(3, decision={"action": 2, "odd": 1}),
    ]
    with DecisionLogReader(log(mixed, [report(1)])) as reader:
        result = export_log(reader, tmp_path / "log.parquet")
    table = parquet.read_table(tmp_path / "log.parquet")
    assert result["rows"] == table.num_rows == 3 and result["columns"] == table.column_names
    columns = table.to_pydict()
    assert columns["decision.action"] == [1, 0, 2] and columns["propensity"] == [0.5, None, 0.5]
    assert columns["decision.menu"] == [[[1.0, 2.5]], [[3.0, 4.0]], None]
    assert columns["decision.odd"] == [None, '"text"', "1"]
    assert columns["observation.load"] == [1.0, 1.0, 3.0]
    assert columns["client"] == ["cell-1", "", "cell-1"]
    assert columns["observation.mode"] == ["best", None, "best"]
    assert columns["reward"] == [1.0, None, None] and columns["metrics.delay_s"][0] == 2.0
    assert table.schema.metadata[b"edgewright.log.schema"] == str(SCHEMA).encode()


def test_the_commands_check_and_export(log, tmp_path, edgewright):
    pytest.importorskip("pyarrow", reason="needs pip install edgewright[parquet]")
    path = log([entry(1), entry(2, by="shortest-1")], [report(1)])
    facts = json.loads(edgewright("log", "check", str(path), "--json").stdout)
    assert facts["decisions"] == 2 and facts["decided_by"] == {"policy": 1, "shortest-1": 1}
    assert "2 decisions, 1 outcomes" in edgewright("log", "check", str(path)).stdout
    out = tmp_path / "log.parquet"
    said = edgewright("log", "export", str(path), "--out", str(out)).stdout
    assert "2 rows" in said and out.exists()


def test_reading_imports_neither_jax_nor_a_web_server():
    text = (
        "import sys, edgewright.serve.log_reader, edgewright.serve.log_export\n"
        "print(sorted({'jax', 'starlette', 'orjson', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
