"""Files with a hash of themselves: whole or refused, whatever byte was changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from edgewright.core import files, sealed
from edgewright.core.errors import InputError

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False])}


def test_arrays_and_facts_come_back(tmp_path: Path) -> None:
    sealed.save_arrays(tmp_path / "x.npz", ARRAYS, {"seed": 3})
    arrays, facts = sealed.load_arrays(tmp_path / "x.npz")
    assert facts["seed"] == 3
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], values)
    with np.load(tmp_path / "x.npz") as plain:  # it is an .npz like any other
        np.testing.assert_array_equal(plain["a"], ARRAYS["a"])


def test_every_changed_byte_and_every_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    sealed.save_arrays(path, ARRAYS, {"seed": 3})
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 8]) + whole[at + 1 :])
        with pytest.raises(InputError, match="does not match its hash"):
            sealed.load_arrays(path)
        path.write_bytes(whole[:at])
        with pytest.raises(InputError, match="does not match its hash"):
            sealed.load_arrays(path)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    bomb = np.empty(1, object)
    bomb[0] = {"never": "read"}
    with open(tmp_path / "x.npz", "wb") as target:
        np.savez(target, __facts__=bomb, allow_pickle=True)
    with pytest.raises(InputError, match="does not match its hash"):
        sealed.load_arrays(tmp_path / "x.npz")


def test_an_object_comes_back_without_its_hash(tmp_path: Path) -> None:
    content = {"x": [1, 2.5, None, "é"], "nan": float("inf")}
    sealed.write_json(tmp_path / "run.json", content)
    read = sealed.read_json(tmp_path / "run.json", "run")
    assert read == {**content, "schema": sealed.SCHEMA}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ('{"schema": 99}', "schema 99"),
        ("[]", "list"),
        ("[" * 100_000, "cannot be read"),
        ("9" * 5000, "cannot be read"),
        (f'{{"schema": {sealed.SCHEMA}}}', "does not match its hash"),
    ],
)
def test_foreign_objects_are_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=said):
        sealed.read_json(tmp_path / "run.json", "run")


def test_bytes_that_are_no_text_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="cannot be read"):
        sealed.read_json(tmp_path / "run.json", "run")
    with pytest.raises(InputError, match="the run is missing"):
        sealed.read_json(tmp_path / "absent.json", "run")


def test_an_edited_value_is_found(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    sealed.write_json(path, {"server_ghz": 16.0})
    path.write_text(path.read_text().replace("16.0", "15.0"))
    with pytest.raises(InputError, match="does not match its hash: it was altered"):
        sealed.read_json(path, "run")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    sealed.write_json(path, {"old": True})

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        sealed.write_json(path, {"old": False})
    assert json.loads(path.read_text())["old"] is True
    assert os.listdir(tmp_path) == ["run.json"]
