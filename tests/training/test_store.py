"""The run store: whole or not there, checked against its hash, never unpickled."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.core import files
from edgewright.core.errors import InputError
from edgewright.training import store


def tree(value=1.0):
    return {"weights": jnp.full((2, 3), value), "key": jax.random.key(7), "count": jnp.int32(4)}


def test_round_trip_keeps_values_types_and_random_keys(tmp_path):
    path = tmp_path / "checkpoint.npz"
    store.save_tree(path, tree(), {"iteration": 9})
    loaded, facts = store.load_tree(path, tree(0.0))
    assert facts["iteration"] == 9
    np.testing.assert_array_equal(loaded["weights"], np.ones((2, 3)))
    assert loaded["count"].dtype == jnp.int32
    assert jax.random.uniform(loaded["key"]) == jax.random.uniform(jax.random.key(7))


def test_a_cut_file_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    store.save_tree(path, tree(), {})
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="not whole|hash"):
            store.load_tree(path, tree())


def test_an_altered_file_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    store.save_tree(path, tree(), {})
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["['weights']"] = arrays["['weights']"] + 1
    with open(path, "wb") as target:
        np.savez(target, **arrays)
    with pytest.raises(InputError, match="does not match its hash"):
        store.load_tree(path, tree())


def test_another_structure_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    store.save_tree(path, tree(), {})
    other = {**tree(), "weights": jnp.zeros((3, 3))}
    with pytest.raises(InputError, match=r"another structure, first at .*weights"):
        store.load_tree(path, other)


def test_pickles_are_never_opened(tmp_path):
    path = tmp_path / "checkpoint.npz"
    bomb = np.empty(1, object)
    bomb[0] = {"never": "read"}
    with open(path, "wb") as target:
        np.savez(target, __facts__=bomb, allow_pickle=True)
    with pytest.raises(InputError, match="not whole"):
        store.load_tree(path, tree())


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    store.write_json(path, {"schema": 1, "old": True})

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        store.write_json(path, {"schema": 1, "old": False})
    assert json.loads(path.read_text())["old"] is True
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_log_cut_by_a_kill_keeps_its_whole_rows(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for iteration in range(4):
        store.append_line(path, {"iteration": iteration})
    with open(path, "a") as file:
        file.write('{"iterat')
    assert [row["iteration"] for row in store.read_lines(path)] == [0, 1, 2, 3]
    store.keep_lines(path, 2)
    assert [row["iteration"] for row in store.read_lines(path)] == [0, 1, 2]


def test_foreign_and_future_files_are_named(tmp_path):
    path = tmp_path / "run.json"
    for content, message in [
        ("{", "cannot be read"),
        ('{"schema": 99}', "schema 99"),
        ("[]", "list"),
    ]:
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            store.read_json(path, "run")
    with pytest.raises(InputError, match="the run is missing"):
        store.read_json(tmp_path / "absent.json", "run")
